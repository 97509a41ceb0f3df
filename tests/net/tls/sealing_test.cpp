#include "net/tls/sealing.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::net;

namespace {
const std::string salt = "saltsalt", nonce = "nonce-12-byt";
}

TEST_CASE("sealed data opens under its own password and under no other") {
  const auto sealed = tls::seal(secret_text("right"), "the cluster's keys", salt, nonce);
  REQUIRE(sealed.ok());
  CHECK(sealed->find("keys") == std::string::npos);
  CHECK(sealed->substr(0, 17) == "73616c7473616c74:");
  const auto opened = tls::unseal(secret_text("right"), *sealed);
  REQUIRE(opened.ok());
  CHECK(*opened == "the cluster's keys");
  const auto wrong = tls::unseal(secret_text("wrong"), *sealed);
  REQUIRE(!wrong.ok());
  CHECK(wrong.code() == errc::untrusted);
}

TEST_CASE("data sealed by other software of the same format opens: PBKDF2-SHA1 and AES-256-GCM as K3s has them") {
  // Made with Python's hashlib.pbkdf2_hmac and cryptography's AESGCM.
  const auto opened = tls::unseal(secret_text("hunter2"), "00112233aabbccdd:AAECAwQFBgcICQoLiygHpKUB/Bhjc6QglvoQi1WMMLx5JfsO7KS1U22T");
  REQUIRE(opened.ok());
  CHECK(*opened == "made elsewhere");
}

TEST_CASE("nothing is sealed under an empty password, and altered or foreign text is refused") {
  CHECK(tls::seal(secret_text(), "x", salt, nonce).code() == errc::invalid);
  CHECK(tls::unseal(secret_text(), "x").code() == errc::invalid);
  auto sealed = *tls::seal(secret_text("p"), "plain", salt, nonce);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto bent = sealed;
    bent[i] = bent[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(tls::unseal(secret_text("p"), bent).ok());
  }
  for (const char* text : {"", ":", "0123456789abcdef:", "0123456789abcdef:!!!!", "short:AAAA", "{}"}) CHECK(tls::unseal(secret_text("p"), text).code() == errc::invalid);
}
