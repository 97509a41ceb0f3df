#include "basis/bytes.hpp"
#include "net/tls/password.hpp"
#include "tests/net/stage.hpp"

using namespace troupe;
using namespace troupe::net;

namespace {

const wall_time now = *parse_rfc3339("2026-11-22T06:00:00Z");

/// Runs `what` with the real issuer and with the simulated one.
void with_both(const std::function<void(tls::issuer*, bool real)>& what) {
  for (const auto make : {test::make_real_stage, test::make_sim_stage}) {
    const auto at = make();
    what(&at->issuer(), make == test::make_real_stage);
  }
}

}  // namespace

TEST_CASE("an authority is what K3s makes: serial 0, ten years, from an hour ago") {
 with_both([](tls::issuer* issuer, [[maybe_unused]] bool real) {
  const auto ca = issuer->make_ca("k3s-server-ca@1795329600", now, tls::ca_validity);
  REQUIRE(ca.ok());
  CHECK(ca->key.reveal().find("-----BEGIN EC PRIVATE KEY-----") == 0);
  const auto facts = issuer->read(ca->certificates);
  REQUIRE(facts.ok());
  CHECK(facts->common_name == "k3s-server-ca@1795329600");
  CHECK(facts->serial == "00");
  CHECK(facts->not_before == now - 1h);
  CHECK(facts->not_after == now - 1h + tls::ca_validity);
  CHECK(issuer->is_signed_by(ca->certificates, ca->certificates));
 });
}

TEST_CASE("a leaf carries what was asked for, starts an hour ago but not before its authority, and brings the bundle") {
 with_both([](tls::issuer* issuer, [[maybe_unused]] bool real) {
  const auto ca = *issuer->make_ca("ca", now, tls::ca_validity);
  const auto other = *issuer->make_ca("ca", now, tls::ca_validity);
  const auto key = issuer->make_key();
  const auto csr = issuer->make_request(key);
  REQUIRE(csr.ok());
  const auto public_key = issuer->read_request(*csr);
  REQUIRE(public_key.ok());
  CHECK(*public_key == *issuer->public_key_of(key));
  const tls::leaf_request ask{.common_name = "system:node:a,b=c", .organizations = {"o1", "o2"},
                              .dns_names = {"a.test", "with,comma"}, .addresses = {"10.0.0.1", "fe80::1"},
                              .use = tls::usage::both, .public_key = *public_key};
  const auto leaf = issuer->sign(ask, ca, now + 24h, tls::leaf_validity);
  REQUIRE_MESSAGE(leaf.ok(), leaf.why().text());
  const auto facts = *issuer->read(*leaf);
  CHECK(facts.common_name == ask.common_name);
  CHECK(facts.organizations == ask.organizations);
  CHECK(facts.dns_names == ask.dns_names);
  CHECK(facts.addresses == ask.addresses);
  CHECK(facts.not_before == now + 23h);
  CHECK(facts.not_after == now + 24h + tls::leaf_validity);
  CHECK(facts.public_key == *public_key);
  CHECK(facts.serial.size() <= 16);
  CHECK(leaf->find(ca.certificates) != std::string::npos);
  CHECK(issuer->is_signed_by(*leaf, ca.certificates));
  CHECK_FALSE(issuer->is_signed_by(*leaf, other.certificates));
  CHECK(issuer->read(*issuer->sign(ask, ca, now - 24h, tls::leaf_validity))->not_before == now - 1h);
  CHECK(issuer->sign(ask, {ca.certificates, other.key}, now, 1h).code() == errc::invalid);
  auto bad = ask;
  bad.addresses = {"no address"};
  CHECK(issuer->sign(bad, ca, now, 1h).code() == errc::invalid);
  bad = ask;
  bad.public_key = "none";
  CHECK(issuer->sign(bad, ca, now, 1h).code() == errc::invalid);
  auto forged = *csr;
  forged[forged.size() - 4] = static_cast<char>(forged[forged.size() - 4] ^ 1);
  CHECK_FALSE(issuer->read_request(forged).ok());
  for (auto junk : {"", "x", "\x30\x03\x02\x01"}) CHECK(issuer->read_request(junk).code() == errc::invalid);
  CHECK(issuer->read("junk").code() == errc::invalid);
  CHECK(issuer->public_key_of(secret_text("junk")).code() == errc::invalid);
 });
}

TEST_CASE("the digest of an authority is that of the file, or of the root's DER for a chain") {
 with_both([](tls::issuer* issuer, [[maybe_unused]] bool real) {
  const auto root = *issuer->make_ca("root", now, tls::ca_validity);
  CHECK(issuer->ca_digest(root.certificates) == to_hex(issuer->sha256(root.certificates)));
  // leaf + root: a chain; its digest is the root's DER and so does not depend on the leaf.
  const auto leaf = [&] {
    const auto key = issuer->make_key();
    return *issuer->sign({.common_name = "i", .public_key = *issuer->public_key_of(key)}, root, now, 1h);
  };
  const auto one = leaf();
  CHECK(issuer->ca_digest(one) == issuer->ca_digest(leaf()));
  CHECK(issuer->ca_digest(one) != to_hex(issuer->sha256(one)));
  if (!real) return;  // A symbolic certificate has no DER.
  std::string der, body = root.certificates;
  body = body.substr(body.find('\n') + 1);
  body = body.substr(0, body.find("-----END"));
  std::erase(body, '\n');
  REQUIRE(from_base64(body, der));
  CHECK(issuer->ca_digest(one) == to_hex(issuer->sha256(der)));
 });
}

TEST_CASE("passwords are hashed as K3s does, and its hashes are checked") {
 with_both([](tls::issuer* issuer, [[maybe_unused]] bool real) {
  const auto hash = issuer->hash_password("secret", std::string("\x01\x02\x03\x04\x05\x06\x07\x08", 8));
  CHECK(hash.rfind("$1:0102030405060708:15:8:1:", 0) == 0);
  CHECK(hash.size() == 27 + 86);
  CHECK(*issuer->verify_password("secret", hash));
  CHECK_FALSE(*issuer->verify_password("Secret", hash));
  if (!real) return;  // The cheap hash is no scrypt.
  // RFC 7914, section 12, third vector: N=16384, r=8, p=1.
  std::string raw;
  for (auto pair : {"7023bdcb3afd7348461c06cd81fd38eb", "fda8fbba904f8e3ea9b543f6545da1f2", "d5432955613f0fcf62d49705242a9af9",
                    "e61e85dc0d651e40dfcf017b45575887"})
    for (int i = 0; i < 32; i += 2) raw.push_back(static_cast<char>(std::stoi(std::string(pair + i, 2), nullptr, 16)));
  tls::password_hash known{.salt = "SodiumChloride", .key = raw, .log2_n = 14, .r = 8, .p = 1};
  CHECK(*issuer->verify_password("pleaseletmein", tls::write_password_hash(known)));
  for (auto bad : {"", "$1", "$2:00:15:8:1:AAAA", "$1:0g:15:8:1:AAAAAAAAAAAAAAAAAAAAAAAA", "$1:00:40:8:1:AAAAAAAAAAAAAAAAAAAAAAAA",
                   "$1:00:15:8:1:", "$1::15:8:1:AAAAAAAAAAAAAAAAAAAAAAAA", "$1:00:15:8:1:AAAAAAAAAAAAAAAAAAAAAAAA:1"})
    CHECK(issuer->verify_password("x", bad).code() == errc::invalid);
 });
}
