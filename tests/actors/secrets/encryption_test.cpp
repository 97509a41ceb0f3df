#include "actors/secrets/encryption.hpp"

#include <doctest/doctest.h>

#include "basis/bytes.hpp"
#include "basis/json.hpp"

using namespace troupe;
using namespace troupe::secrets;

namespace {
net::tls::named_key key(const std::string& name, char fill) { return {name, secret_text(std::string(32, fill))}; }
}  // namespace

TEST_CASE("the keys are written as Kubernetes' EncryptionConfiguration, and read back the same") {
  const auto text = render_encryption({{key("aescbckey-2", 'b'), key("aescbckey", 'a')}, true});
  const auto seen = parse_json(text);
  REQUIRE(seen.ok());
  CHECK(dig(*seen, "apiVersion") == "apiserver.config.k8s.io/v1");
  const auto& providers = dig(dig(*seen, "resources")[0], "providers");
  CHECK(dig(providers[0], "aescbc", "keys")[0]["secret"] == to_base64(std::string(32, 'b')));
  CHECK(providers[1].contains("identity"));
  const auto read = parse_encryption(text);
  REQUIRE(read.ok());
  CHECK(read->enabled);
  REQUIRE(read->keys.size() == 2);
  CHECK(read->keys[0].name == "aescbckey-2");
  CHECK(read->keys[1].key.reveal() == std::string(32, 'a'));
}

TEST_CASE("a configuration that K3s wrote is read, enabled or not") {
  const std::string secret = to_base64(std::string(32, 'x'));
  const auto with = [&](const std::string& providers) {
    return parse_encryption(R"({"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{"resources":["secrets"],"providers":[)" + providers + "]}]}");
  };
  const std::string cipher = R"({"aescbc":{"keys":[{"name":"aescbckey","secret":")" + secret + R"("}]}})";
  CHECK(with(cipher + R"(,{"identity":{}})")->enabled);
  CHECK_FALSE(with(R"({"identity":{}},)" + cipher)->enabled);
  CHECK(with(R"({"secretbox":{"keys":[]}},{"identity":{}})").code() == errc::unsupported);
  CHECK(with(R"({"identity":{}})").code() == errc::invalid);
  CHECK(with("").code() == errc::invalid);
  CHECK(with(cipher + "," + cipher).code() == errc::invalid);
  CHECK(with("7").code() == errc::invalid);
}

TEST_CASE("what is no encryption configuration is refused, and never repeated in the reason") {
  const std::string short_key = to_base64("TOPSECRET");
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"), std::string(R"({"kind":"Secret"})"),
                                  R"({"kind":"EncryptionConfiguration","resources":[{"resources":["secrets"],"providers":[{"aescbc":{"keys":[{"name":"a","secret":")" + short_key + R"("}]}}]}]})"}) {
    const auto got = parse_encryption(text);
    REQUIRE(!got.ok());
    CHECK(got.why().note.find(short_key) == std::string::npos);
  }
  CHECK(parse_encryption(R"({"kind":"EncryptionConfiguration","resources":[{"resources":["configmaps"],"providers":[]}]})").code() == errc::unsupported);
}

TEST_CASE("the state names its stage and the configuration that it was written for") {
  const std::string digest(64, 'f');
  const auto read = parse_progress(render_progress({std::string(stage_finished), digest}) + "\n");
  REQUIRE(read.ok());
  CHECK(read->stage == "reencrypt_finished");
  CHECK(read->digest == digest);
  for (const char* text : {"", "-", "start", "start-abc", "-ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}) CHECK(!parse_progress(text).ok());
}

TEST_CASE("without a configuration plain Secrets are read and encrypted ones are refused") {
  const auto none = envelope_of(nullptr);
  CHECK(none->writes_plain());
  CHECK(none->open("{}")->current);
  const encryption on{{key("a", '1')}, true};
  CHECK(none->open(envelope_of(&on)->close("{}", "0123456789abcdef")).code() == errc::untrusted);
}
