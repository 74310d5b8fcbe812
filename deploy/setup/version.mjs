/** Release versions: found in the banner a program prints (`nats-server: v2.15.2`, `v24.21.0`) and compared. */

const VERSION = /(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?/;

/** The first version in the text, without a leading `v`; undefined when there is none. */
export function findVersion(text) {
  return VERSION.exec(text)?.[0];
}

/** Whether a version is the minimum or newer. The minimum is a release: its own pre-releases are older. */
export function isAtLeast(version, minimum) {
  const [, ...actual] = VERSION.exec(version);
  const [, ...wanted] = VERSION.exec(minimum);
  for (let place = 0; place < 3; place += 1) {
    const difference = Number(actual[place]) - Number(wanted[place]);
    if (difference !== 0) return difference > 0;
  }
  return actual[3] === undefined;
}
