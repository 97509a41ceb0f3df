#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "actors/registration/token.hpp"

using namespace troupe;
using namespace troupe::registration;

namespace {
const std::string digest(64, 'a');
token good(const std::string& text) {
  auto parsed = parse_token(text);
  REQUIRE_MESSAGE(parsed.ok(), text);
  return *parsed;
}
std::string bad(const std::string& text) {
  auto parsed = parse_token(text);
  REQUIRE_MESSAGE(!parsed.ok(), text);
  CHECK(parsed.code() == errc::invalid);
  return parsed.why().note;
}
}  // namespace

TEST_CASE("each of the four spellings of a token is read") {
  auto full = good("K10" + digest + "::server:secret");
  CHECK(full.ca_digest == digest);
  CHECK(full.user == "server");
  CHECK(full.password.reveal() == "secret");
  CHECK(!full.is_bootstrap());

  auto full_bootstrap = good("K10" + digest + "::abcdef.0123456789abcdef");
  CHECK(full_bootstrap.ca_digest == digest);
  CHECK(full_bootstrap.bootstrap_id == "abcdef");
  CHECK(full_bootstrap.bootstrap_secret.reveal() == "0123456789abcdef");
  CHECK(full_bootstrap.user.empty());

  auto bare = good("secret");
  CHECK(bare.ca_digest.empty());
  CHECK(bare.user.empty());
  CHECK(bare.password.reveal() == "secret");

  auto bare_bootstrap = good("abcdef.0123456789abcdef");
  CHECK(bare_bootstrap.ca_digest.empty());
  CHECK(bare_bootstrap.is_bootstrap());
}

TEST_CASE("a full token may leave out the digest or the user") {
  CHECK(good("K10::node:secret").user == "node");
  CHECK(good("K10::node:secret").ca_digest.empty());
  CHECK(good("K10:::secret").user.empty());
  CHECK(good("K10:::secret").password.reveal() == "secret");
  // Without "::" everything after K10 is credentials.
  CHECK(good("K10node:secret").user == "node");
}

TEST_CASE("a password may hold colons, even two in a row") {
  CHECK(good("K10" + digest + "::node:a:b").password.reveal() == "a:b");
  CHECK(good("K10" + digest + "::node:a::b").password.reveal() == "a::b");
  CHECK(good("a::b").password.reveal() == "a::b");
  CHECK(good("a:b").password.reveal() == "a:b");
}

TEST_CASE("what merely resembles a bootstrap token is a password") {
  for (const char* text : {"abcde.0123456789abcdef", "abcdef.0123456789abcde", "abcdef.0123456789abcdefg", "ABCDEF.0123456789abcdef",
                           "abcdef-0123456789abcdef", "abcdef.0123456789abcdeF"})
    CHECK_MESSAGE(!good(text).is_bootstrap(), text);
}

TEST_CASE("a bad token is refused with the reason and never repeated") {
  CHECK(bad("") == "token must not be empty");
  CHECK(bad("\n") == "token must not be empty");
  CHECK(bad("K10" + std::string(63, 'a') + "::node:hunter2") == "invalid token CA hash length");
  CHECK(bad("K10" + std::string(65, 'a') + "::node:hunter2") == "invalid token CA hash length");
  for (const auto& text : std::vector<std::string>{"K10" + digest + "::node:", "K10" + digest + "::hunter2", "K10" + digest + "::", std::string("K10::"),
                                 std::string("K10"), std::string("K10hunter2"), "K10" + std::string(63, 'a') + "g::node:hunter2",
                                 std::string("hunter 2"), std::string("hunter2\nx"), std::string("hunter2\0x", 9), std::string("hun\x7fter2"),
                                 std::string(token_bytes_max + 1, 'x')}) {
    const auto why = bad(text);
    CHECK(!why.empty());
    CHECK(why.find("hunter2") == std::string::npos);
    CHECK(why.size() < 200);
  }
  CHECK(good(std::string(token_bytes_max, 'x')).password.reveal().size() == token_bytes_max);
}

TEST_CASE("the line end of a token file does no harm") {
  CHECK(good("secret\n").password.reveal() == "secret");
  CHECK(good("secret\r\n").password.reveal() == "secret");
}

TEST_CASE("a token is rendered as it is read") {
  for (const auto& text : std::vector<std::string>{"K10" + digest + "::server:secret", "K10" + digest + "::abcdef.0123456789abcdef", std::string("K10::node:a::b"),
                                 std::string("K10:::secret")})
    CHECK(render_token(good(text)).reveal() == text);
}
