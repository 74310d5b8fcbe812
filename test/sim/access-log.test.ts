import { describe, expect, it } from "vitest";
import { parseAccessLine, renderAccessLine, type AccessRecord } from "../../sim/access-log.ts";

const COMBINED =
  '83.149.9.216 - frank [17/May/2015:10:05:03 +0200] "GET /a/b.png?x=1 HTTP/1.1" 200 203023 "http://e.com/" "Mozilla/5.0 (X11)"';

function record(line: string): AccessRecord {
  const parsed = parseAccessLine(line);
  if (typeof parsed === "string") throw new Error(`odd (${parsed}): ${line}`);
  return parsed;
}

describe("a line of an access log", () => {
  it("is read field by field in Combined Log Format", () => {
    expect(record(COMBINED)).toEqual({
      atUs: Date.UTC(2015, 4, 17, 8, 5, 3) * 1_000,
      zoneMinutes: 120,
      host: "83.149.9.216",
      ident: "-",
      user: "frank",
      request: "GET /a/b.png?x=1 HTTP/1.1",
      method: "GET",
      target: "/a/b.png?x=1",
      protocol: "HTTP/1.1",
      status: 200,
      bytes: 203_023,
      referer: "http://e.com/",
      agent: "Mozilla/5.0 (X11)",
      extra: "",
    });
  });

  it("is read in Common Log Format, which has neither referer nor agent", () => {
    const line =
      '127.0.0.1 user-identifier frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326';
    expect(record(line)).toMatchObject({ ident: "user-identifier", referer: null, agent: null, bytes: 2326 });
    expect(renderAccessLine(record(line))).toBe(line);
  });

  it("means the same wrapped in quotes as a whole, or ended with a carriage return", () => {
    expect(record(`"${COMBINED}"`)).toEqual(record(COMBINED));
    expect(record(`${COMBINED}\r`)).toEqual(record(COMBINED));
    expect(record(`"${COMBINED}"\r`)).toEqual(record(COMBINED));
  });

  it("keeps escaped quotes and bytes as they were logged", () => {
    const line = String.raw`192.168.4.25 - - [22/Dec/2016:16:34:00 +0300] "GET /?q=12345'\"\\'\\\");|]*\xf0\x9f HTTP/1.1" 200 3104 "-" "a \"b\" c"`;
    expect(record(line).target).toBe(String.raw`/?q=12345'\"\\'\\\");|]*\xf0\x9f`);
    expect(record(line).agent).toBe(String.raw`a \"b\" c`);
  });

  it("may come from an IPv6 address, name a user with spaces, and lack status and size", () => {
    const line = '2001:db8::1 - John Q. Public [17/May/2015:10:05:03 +0000] "GET / HTTP/2.0" - - "-" "-"';
    expect(record(line)).toMatchObject({
      host: "2001:db8::1",
      user: "John Q. Public",
      status: null,
      bytes: null,
    });
  });

  it("keeps what the server appends to the format", () => {
    expect(record(`${COMBINED} "10.0.0.1" rt=0.003`).extra).toBe(' "10.0.0.1" rt=0.003');
    expect(renderAccessLine(record(`${COMBINED} rt=0.003`))).toBe(`${COMBINED} rt=0.003`);
  });

  it.each([
    ["-", "", "-", ""],
    ["", "", "", ""],
    ["GET", "", "GET", ""],
    [String.raw`\x16\x03\x01\x02`, "", String.raw`\x16\x03\x01\x02`, ""],
    ["GET /old", "GET", "/old", ""],
    ["GET /a b c HTTP/1.1", "GET", "/a b c", "HTTP/1.1"],
    ["GET HTTP/1.1", "GET", "HTTP/1.1", ""],
    ["SSH-2.0-Go x", "", "SSH-2.0-Go x", ""],
  ])("is a request even when its request line is %j", (request, method, target, protocol) => {
    const line = `10.0.0.1 - - [17/May/2015:10:05:03 +0000] "${request}" 400 226`;
    expect(record(line)).toMatchObject({ request, method, target, protocol });
    expect(renderAccessLine(record(line))).toBe(line);
  });

  it.each([
    ["", "empty"],
    [" \t\r", "empty"],
    ['""', "empty"],
    ["localhost", "no-host"],
    [' - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1', "no-host"],
    ["\u0000\u0001\u0002 \u0000", "no-host"],
    ["10.0.0.1 - -", "no-time"],
    ['10.0.0.1 [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1', "no-user"],
    ['10.0.0.1 - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1', "no-user"],
    ['10.0.0.1 - - [17/Mai/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1', "bad-time"],
    ["10.0.0.1 - - [17/May/2015:10:05", "bad-time"],
    ["10.0.0.1 - - [17/May/2015:10:05:03 +0000] GET / 200 1", "no-request"],
    ['10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET / HT', "truncated"],
    ['10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1"', "truncated"],
    ['10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200', "truncated"],
    ['10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 2000 1', "bad-status"],
    ['10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1k', "bad-bytes"],
    ['10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /"x" HTTP/1.1" 200 1', "bad-quotes"],
    [`${COMBINED}83.149.9.216 - -`, "bad-quotes"],
    [COMBINED.slice(0, -1), "truncated"],
    [`"${COMBINED.slice(0, -1)}`, "truncated"],
  ])("is odd, not fatal: %j is %s", (line, reason) => {
    expect(parseAccessLine(line)).toBe(reason);
  });

  it("is read in time even when a stranger made it a mebibyte of quotes and backslashes", () => {
    const soup = String.raw`\"" [`.repeat(2 ** 18);
    expect(parseAccessLine(`10.0.0.1 - ${soup}`)).toBe("bad-time");
    expect(parseAccessLine(`10.0.0.1 - - [17/May/2015:10:05:03 +0000] "${" HTTP/".repeat(2 ** 18)}`)).toBe(
      "truncated",
    );
  });
});
