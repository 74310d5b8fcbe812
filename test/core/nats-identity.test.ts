import { expect, it } from "vitest";
import { natsIdentity } from "../../core/nats-identity.ts";

it("leaves addresses without a user as they are", () => {
  expect(natsIdentity(["nats://127.0.0.1:4222", "tls://b:4222", "c:4222"])).toEqual({
    servers: ["nats://127.0.0.1:4222", "tls://b:4222", "c:4222"],
  });
});

it("takes the user out of the addresses, and gives him an inbox of his own", () => {
  expect(natsIdentity(["nats://acme:s3cret@127.0.0.1:4222", "nats://acme:s3cret@[::1]:4223"])).toEqual({
    servers: ["nats://127.0.0.1:4222", "nats://[::1]:4223"],
    user: "acme",
    pass: "s3cret",
    inboxPrefix: "_INBOX.acme",
  });
  expect(natsIdentity(["acme:a%3Ab%40c:d%25@h"])).toMatchObject({ servers: ["h"], pass: "a:b@c:d%" });
  expect(natsIdentity(["nats://acme@h"])).toMatchObject({ user: "acme", pass: "" });
});

it.each([
  [["nats://a:s3cret@h", "nats://b:s3cret@h"], /the same user/],
  [["nats://a:s3cret@h", "nats://h"], /the same user/],
  [["nats://a.b:s3cret@h"], /a user of/],
  [["nats://%3E:s3cret@h"], /a user of/],
  [["nats://:s3cret@h"], /a user of/],
  [["nats://%:s3cret@h"], /a user of/],
  [["nats://a:s3cret%@h"], /%25/],
])("refuses %j, and does not say the password", (servers, message) => {
  const refuse = () => natsIdentity(servers);
  expect(refuse).toThrow(expect.objectContaining({ code: "PARL_INVALID_ARGUMENT", field: "nats" }));
  expect(refuse).toThrow(message);
  expect(refuse).not.toThrow(/s3cret/);
});
