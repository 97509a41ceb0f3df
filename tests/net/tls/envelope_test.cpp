#include "net/tls/envelope.hpp"

#include <doctest/doctest.h>

#include "basis/bytes.hpp"

using namespace troupe;
using namespace troupe::net::tls;

namespace {
const std::string iv = "0123456789abcdef";
named_key key(const std::string& name, char fill) { return {name, secret_text(std::string(32, fill))}; }
std::string plain_of(const envelope& by, std::string_view stored) {
  const auto got = by.open(stored);
  return got.ok() ? got->plain : "refused: " + got.why().text();
}
}  // namespace

TEST_CASE("an encrypted value has Kubernetes' form, and opens to what it was") {
  const envelope one({key("aescbckey", 'k')}, false);
  for (const std::size_t size : {0, 1, 15, 16, 17, 4096}) {
    const std::string text(size, 's');
    const auto stored = one.close(text, iv);
    CHECK(stored.starts_with("k8s:enc:aescbc:v1:aescbckey:" + iv));
    CHECK(stored.size() == 28 + 16 + (size / 16 + 1) * 16);
    CHECK(plain_of(one, stored) == text);
    CHECK(one.open(stored)->current);
  }
}

TEST_CASE("a value that other software of the same format stored opens: AES-256-CBC and PKCS#7 as Kubernetes has them") {
  // Made with Python's cryptography: Cipher(AES(32 bytes of 'k'), CBC(iv)) over the padded text.
  std::string body;
  REQUIRE(from_base64("XTwxqAMmrl1B3AdbdSjlKelp5CpkHEwIbfV2rNw8iBY=", body));
  const envelope one({key("aescbckey", 'k')}, false);
  CHECK(plain_of(one, "k8s:enc:aescbc:v1:aescbckey:" + iv + body) == R"({"kind":"Secret"})");
}

TEST_CASE("the first key writes, all keys read, and a value knows whether it is stored as it would be now") {
  const envelope old({key("a", '1')}, false), both({key("b", '2'), key("a", '1')}, false), fresh({key("b", '2')}, false);
  const auto before = old.close("text", iv), after = both.close("text", iv);
  CHECK(plain_of(both, before) == "text");
  CHECK_FALSE(both.open(before)->current);
  CHECK(both.open(after)->current);
  CHECK(plain_of(fresh, after) == "text");
  CHECK(both.writes_as(fresh));
  CHECK_FALSE(both.writes_as(old));
  CHECK(fresh.open(before).code() == errc::untrusted);
  CHECK(old.open(after).code() == errc::untrusted);
}

TEST_CASE("plain values are read whether encryption is on or off, and turning it off still reads what was encrypted") {
  const envelope on({key("a", '1')}, false), off({key("a", '1')}, true), none({}, true);
  CHECK(plain_of(on, "{}") == "{}");
  CHECK_FALSE(on.open("{}")->current);
  CHECK(off.close("{}", iv) == "{}");
  CHECK(off.open("{}")->current);
  CHECK(plain_of(off, on.close("{}", iv)) == "{}");
  CHECK_FALSE(off.open(on.close("{}", iv))->current);
  CHECK_FALSE(on.writes_as(off));
  CHECK(none.writes_as(off));
  CHECK(none.open(on.close("{}", iv)).code() == errc::untrusted);
}

TEST_CASE("keys whose names begin alike are told apart") {
  const envelope both({key("a", '1'), key("a:b", '2')}, false), other({key("a:b", '2')}, false);
  CHECK(plain_of(both, other.close("text", iv)) == "text");
}

TEST_CASE("a value of a wrong length, with wrong padding or of another provider is refused") {
  const envelope one({key("a", '1')}, false);
  const auto stored = one.close("text", iv);
  for (std::size_t cut = 1; cut < stored.size() - 9; ++cut) CHECK_FALSE(one.open(std::string_view(stored).substr(0, stored.size() - cut)).ok());
  auto bent = stored;
  bent.back() = static_cast<char>(bent.back() ^ 1);
  const auto got = one.open(bent);
  CHECK((!got.ok() || got->plain != "text"));
  CHECK(one.open("k8s:enc:secretbox:v1:a:xxxx").code() == errc::untrusted);
  CHECK(one.open("k8s:enc:aescbc:v1:a:").code() == errc::untrusted);
  // The same key's name with another key behind it.
  CHECK(plain_of(envelope({key("a", '9')}, false), stored) != "text");
}
