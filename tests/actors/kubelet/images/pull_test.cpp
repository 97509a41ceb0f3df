#include "actors/kubelet/images/pull_secrets.hpp"
#include "basis/bytes.hpp"
#include "tests/harness/little_node.hpp"

using namespace troupe;
using testing::little_node;

namespace {

json secret(const json& auths) {
  return {{"kind", "Secret"}, {"type", "kubernetes.io/dockerconfigjson"}, {"data", {{".dockerconfigjson", to_base64(to_text(json{{"auths", auths}}))}}}};
}
std::vector<std::string> users(const std::string& image, const json& auths) {
  kubelet::pod_sources from;
  from.secrets["s"] = secret(auths);
  std::vector<std::string> out;
  for (const auto& one : kubelet::logins_for(image, *parse_json(R"({"spec":{"imagePullSecrets":[{"name":"s"}]}})"), from).logins) out.push_back(one.user);
  return out;
}
json login(const std::string& user) { return {{"username", user}, {"password", "p"}}; }
using names = std::vector<std::string>;

}  // namespace

TEST_CASE("an image's repository is known, also when it is short") {
  using kubelet::repository_of;
  CHECK(repository_of("busybox") == "index.docker.io/library/busybox");
  CHECK(repository_of("team/app:1") == "index.docker.io/team/app");
  CHECK(repository_of("docker.io/library/a@sha256:00") == "index.docker.io/library/a");
  CHECK(repository_of("localhost/a:1") == "localhost/a");
  CHECK(repository_of("r.example.com:5000/a/b:1") == "r.example.com:5000/a/b");
}

TEST_CASE("a login is used for its registry only, the closest first") {
  CHECK(users("r.example.com/a/b", {{"r.example.com", login("u")}}) == names{"u"});
  CHECK(users("r.example.com/a/b", {{"https://r.example.com/v1/", login("u")}}) == names{"u"});
  CHECK(users("r.example.com:5000/a/b", {{"r.example.com", login("u")}}).empty());
  CHECK(users("other.com/a", {{"r.example.com", login("u")}}).empty());
  CHECK(users("evilr.example.com/a", {{"r.example.com", login("u")}}).empty());
  CHECK(users("x.example.com/a", {{"*.example.com", login("u")}}) == names{"u"});
  CHECK(users("x.y.example.com/a", {{"*.example.com", login("u")}}).empty());
  CHECK(users("busybox", {{"https://index.docker.io/v1/", login("u")}}) == names{"u"});
  CHECK(users("r.example.com/team/b", {{"r.example.com", login("wide")}, {"r.example.com/team", login("close")}, {"r.example.com/tea", login("none")}}) == names{"close", "wide"});
  CHECK(users("r.example.com/a", {{"r.example.com", {{"auth", to_base64("me:secret")}}}}) == names{"me"});
}

TEST_CASE("a secret that is missing or no login is named") {
  kubelet::pod_sources from;
  from.secrets["odd"] = {{"kind", "Secret"}, {"data", {{"x", "eA=="}}}};
  const auto got = kubelet::logins_for("a", *parse_json(R"({"spec":{"imagePullSecrets":[{"name":"gone"},{"name":"odd"}]}})"), from);
  CHECK(got.logins.empty());
  CHECK(got.missing == names{"gone", "odd"});
}

TEST_CASE("a pod pulls with its secret, which may come after it") {
  little_node n;
  n.machine.offer_image("r.example.com/private", "letmein");
  n.put(R"({"image":"r.example.com/private"})", R"({"imagePullSecrets":[{"name":"s"}]})");
  REQUIRE(n.until([&] { return n.said("FailedToRetrieveImagePullSecret") && n.said("BackOff"); }));
  n.store->others["/api/v1/namespaces/ns/secrets/s"] = secret({{"r.example.com", {{"username", "u"}, {"password", "letmein"}}}, {"r.example.com/private", {{"username", "u"}, {"password", "wrong"}}}});
  REQUIRE(n.until([&] { return n.runs(); }));
}
