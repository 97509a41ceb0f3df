#include <openssl/pem.h>

#include "tests/net/stage.hpp"

using namespace troupe;
using namespace troupe::net;

TEST_CASE("what a key signed is known as its own, unchanged, and by no other key: real and simulated alike") {
  for (auto& at : {test::make_real_stage(), test::make_sim_stage()}) {
    auto& issuer = at->issuer();
    const auto key = issuer.make_key(), other = issuer.make_key();
    const auto open = *issuer.public_key_of(key), wrong = *issuer.public_key_of(other);
    const auto signature = issuer.sign_text(key, "header.payload");
    REQUIRE(signature.ok());
    CHECK(issuer.verify_text(open, "header.payload", *signature));
    CHECK_FALSE(issuer.verify_text(open, "header.payloaf", *signature));
    CHECK_FALSE(issuer.verify_text(wrong, "header.payload", *signature));
    CHECK_FALSE(issuer.verify_text(open, "header.payload", ""));
    CHECK_FALSE(issuer.verify_text(open, "header.payload", std::string(64, '\0')));
    CHECK_FALSE(issuer.verify_text("no key", "header.payload", *signature));
    const auto described = issuer.describe_key(open);
    REQUIRE(described.ok());
    CHECK(described->algorithm == "ES256");
    CHECK_FALSE(issuer.describe_key("no key").ok());
  }
}

TEST_CASE("an ES256 signature is r and s side by side, and a key's coordinates are 32 bytes each, whatever their first bytes are") {
  auto at = test::make_real_stage();
  for (int i = 0; i < 200; ++i) {   // one in 256 numbers begins with a zero byte
    const auto key = at->issuer().make_key();
    const auto signature = at->issuer().sign_text(key, "text");
    REQUIRE(signature.ok());
    CHECK(signature->size() == 64);
    const auto open = *at->issuer().public_key_of(key);
    CHECK(at->issuer().verify_text(open, "text", *signature));
    const auto described = at->issuer().describe_key(open);
    REQUIRE(described.ok());
    for (const auto& [name, value] : described->members)
      if (name == "x" || name == "y") CHECK(value.size() == 43);
  }
}

TEST_CASE("an RSA key, as K3s keeps one for its tokens, signs by RS256") {
  auto at = test::make_real_stage();
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> made(EVP_RSA_gen(2048), EVP_PKEY_free);
  std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new(BIO_s_mem()), BIO_free);
  REQUIRE(PEM_write_bio_PrivateKey_traditional(memory.get(), made.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(memory.get(), &text);
  const secret_text key(std::string(text, static_cast<std::size_t>(size)));
  const auto open = at->issuer().public_key_of(key);
  REQUIRE(open.ok());
  const auto signature = at->issuer().sign_text(key, "text");
  REQUIRE(signature.ok());
  CHECK(signature->size() == 256);
  CHECK(at->issuer().verify_text(*open, "text", *signature));
  const auto described = at->issuer().describe_key(*open);
  REQUIRE(described.ok());
  CHECK(described->algorithm == "RS256");
  CHECK(described->members.at(2) == std::pair<std::string, std::string>{"e", "AQAB"});
}
