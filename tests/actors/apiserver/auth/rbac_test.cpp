#include "actors/apiserver/auth/rbac.hpp"

#include <doctest/doctest.h>

#include "actors/apiserver/auth/reviews.hpp"
#include "actors/controllers/default_roles/default_roles.hpp"

using namespace troupe;
using namespace troupe::apiserver;

namespace {

model::snapshot of(std::string_view plural, std::initializer_list<const char*> objects) {
  const auto& kind = *schema::find("rbac.authorization.k8s.io", "v1", plural);
  model::snapshot out;
  std::uint64_t at = 0;
  for (const char* text : objects) {
    const auto object = *parse_json(text);
    const auto ns = text_or(dig(object, "metadata", "namespace")), name = text_or(dig(object, "metadata", "name"));
    auto doc = model::make_document(kind, to_text(object), 1, static_cast<model::revision_number>(++at));
    REQUIRE(doc.ok());
    out = out.insert(*doc);
  }
  return out;
}

rbac_book book() {
  rbac_book out;
  out.set("clusterroles", of("clusterroles", {
    R"({"metadata":{"name":"reader"},"rules":[{"verbs":["get","list","watch"],"apiGroups":[""],"resources":["pods","pods/log"]}]})",
    R"({"metadata":{"name":"healthy"},"rules":[{"verbs":["get"],"nonResourceURLs":["/healthz","/metrics/*"]}]})",
    R"({"metadata":{"name":"all"},"rules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]},{"verbs":["*"],"nonResourceURLs":["*"]}]})"}));
  out.set("roles", of("roles", {
    R"({"metadata":{"namespace":"a","name":"one-secret"},"rules":[{"verbs":["get","watch","list"],"apiGroups":[""],"resources":["secrets"],"resourceNames":["s1"]}]})",
    R"({"metadata":{"namespace":"a","name":"scaler"},"rules":[{"verbs":["update"],"apiGroups":["apps"],"resources":["*/scale"]}]})"}));
  out.set("clusterrolebindings", of("clusterrolebindings", {
    R"({"metadata":{"name":"everyone"},"roleRef":{"kind":"ClusterRole","name":"healthy"},"subjects":[{"kind":"Group","name":"system:authenticated"}]})",
    R"({"metadata":{"name":"gone"},"roleRef":{"kind":"ClusterRole","name":"not-there"},"subjects":[{"kind":"User","name":"ann"}]})",
    R"({"metadata":{"name":"boss"},"roleRef":{"kind":"ClusterRole","name":"all"},"subjects":[{"kind":"User","name":"boss"}]})"}));
  out.set("rolebindings", of("rolebindings", {
    R"({"metadata":{"namespace":"a","name":"r"},"roleRef":{"kind":"ClusterRole","name":"reader"},"subjects":[{"kind":"User","name":"ann"},{"kind":"ServiceAccount","name":"bot","namespace":"b"}]})",
    R"({"metadata":{"namespace":"a","name":"s"},"roleRef":{"kind":"Role","name":"one-secret"},"subjects":[{"kind":"ServiceAccount","name":"local"}]})",
    R"({"metadata":{"namespace":"a","name":"t"},"roleRef":{"kind":"Role","name":"scaler"},"subjects":[{"kind":"User","name":"ann"}]})"}));
  return out;
}
bool may(const std::string& user, wanted_access what, std::string* why = nullptr) { return book().allows({user, {"system:authenticated"}}, what, why); }

}  // namespace

TEST_CASE("a binding gives what its role allows, in its own namespace, to whom it names") {
  CHECK(may("ann", {"get", "", "pods", "", "a", "p", ""}));
  CHECK(may("ann", {"get", "", "pods", "log", "a", "p", ""}));
  CHECK_FALSE(may("ann", {"get", "", "pods", "exec", "a", "p", ""}));
  CHECK_FALSE(may("ann", {"get", "", "pods", "", "b", "p", ""}));
  CHECK_FALSE(may("ann", {"list", "", "pods", "", "", "", ""}));
  CHECK_FALSE(may("ann", {"delete", "", "pods", "", "a", "p", ""}));
  CHECK_FALSE(may("ann", {"get", "apps", "pods", "", "a", "p", ""}));
  CHECK(may("system:serviceaccount:b:bot", {"watch", "", "pods", "", "a", "", ""}));
  CHECK_FALSE(may("system:serviceaccount:a:bot", {"watch", "", "pods", "", "a", "", ""}));
  CHECK(may("ann", {"update", "apps", "deployments", "scale", "a", "d", ""}));
  CHECK_FALSE(may("ann", {"update", "apps", "deployments", "", "a", "d", ""}));
}

TEST_CASE("names narrow a rule to those objects, and a service account without a namespace is the binding's own") {
  CHECK(may("system:serviceaccount:a:local", {"get", "", "secrets", "", "a", "s1", ""}));
  CHECK_FALSE(may("system:serviceaccount:a:local", {"get", "", "secrets", "", "a", "s2", ""}));
  CHECK_FALSE(may("system:serviceaccount:a:local", {"list", "", "secrets", "", "a", "", ""}));
}

TEST_CASE("paths are allowed as they are, or by what they begin with; a role that is not there allows nothing") {
  CHECK(may("anybody", {"get", "", "", "", "", "", "/healthz"}));
  CHECK(may("anybody", {"get", "", "", "", "", "", "/metrics/slis"}));
  CHECK_FALSE(may("anybody", {"get", "", "", "", "", "", "/metrics"}));
  CHECK_FALSE(may("anybody", {"post", "", "", "", "", "", "/healthz"}));
  std::string why;
  CHECK(may("boss", {"deletecollection", "x.y", "anything", "sub", "q", "", ""}, &why));
  CHECK(why == "RBAC: allowed by ClusterRoleBinding \"boss\" of ClusterRole \"all\"");
}

TEST_CASE("what somebody may hand out is what they have, piece by piece") {
  const std::vector<policy_rule> held{{{"get", "list"}, {""}, {"pods"}, {}, {}}, {{"get"}, {""}, {"secrets"}, {"s1", "s2"}, {}}, {{"get"}, {}, {}, {}, {"/a/*"}}};
  CHECK(covers_all(held, {{{"get"}, {""}, {"pods"}, {}, {}}}));
  CHECK(covers_all(held, {{{"get"}, {""}, {"secrets"}, {"s2"}, {}}, {{"list"}, {""}, {"pods"}, {"one"}, {}}}));
  CHECK(covers_all(held, {{{"get"}, {}, {}, {}, {"/a/b"}}}));
  CHECK_FALSE(covers_all(held, {{{"get"}, {""}, {"secrets"}, {}, {}}}));
  CHECK_FALSE(covers_all(held, {{{"*"}, {""}, {"pods"}, {}, {}}}));
  CHECK_FALSE(covers_all(held, {{{"get"}, {""}, {"pods", "nodes"}, {}, {}}}));
  CHECK_FALSE(covers_all(held, {{{"get"}, {}, {}, {}, {"*"}}}));
}

TEST_CASE("a review says what its asker, or whom it names, may do") {
  review_needs with;
  with.user = {"ann", {"system:authenticated"}};
  with.may = [](const user_info& who, const wanted_access& what) { return verdict{book().allows(who, what), ""}; };
  with.rules = [](const user_info& who, const std::string& ns) { return book().rules_for(who, ns); };
  const auto ask = [&](const char* plural, const char* spec, const char* group = "authorization.k8s.io") {
    auto said = answer_review(*schema::find(group, "v1", plural), {{"spec", *parse_json(spec)}}, with);
    if (auto* no = std::get_if<api_error>(&said)) return std::to_string(no->code) + " " + no->message;
    return to_text(std::get<json>(said)["status"]);
  };
  CHECK(ask("selfsubjectaccessreviews", R"({"resourceAttributes":{"verb":"get","resource":"pods","namespace":"a"}})") == R"({"allowed":true})");
  CHECK(ask("selfsubjectaccessreviews", R"({"resourceAttributes":{"verb":"get","resource":"pods","namespace":"b"}})") == R"({"allowed":false})");
  CHECK(ask("selfsubjectaccessreviews", R"({"nonResourceAttributes":{"verb":"get","path":"/healthz"}})") == R"({"allowed":true})");
  CHECK(ask("selfsubjectaccessreviews", "{}").starts_with("422 "));
  CHECK(ask("subjectaccessreviews", R"({"user":"boss","resourceAttributes":{"verb":"delete","resource":"nodes"}})") == R"({"allowed":true})");
  CHECK(ask("subjectaccessreviews", R"({"resourceAttributes":{"verb":"delete","resource":"nodes"}})").starts_with("422 "));
  CHECK(ask("selfsubjectreviews", "{}", "authentication.k8s.io") == R"({"userInfo":{"groups":["system:authenticated"],"username":"ann"}})");
  const auto rules = ask("selfsubjectrulesreviews", R"({"namespace":"a"})");
  CHECK(rules.find(R"("resources":["pods","pods/log"])") != std::string::npos);
  CHECK(rules.find(R"("nonResourceURLs":["/healthz","/metrics/*"])") != std::string::npos);
  CHECK(ask("selfsubjectrulesreviews", "{}") == "400 no namespace on request");
}

TEST_CASE("the roles that every cluster begins with are whole: names once, verbs known, sums that hold their parts") {
  std::map<std::string, int> seen;
  for (const auto& one : controllers::default_roles()) {
    const auto id = text_or(dig(one, "kind")) + " " + text_or(dig(one, "metadata", "name"));
    CHECK_MESSAGE(++seen[id] == 1, id);
    for (const auto& rule : dig(one, "rules")) {
      const bool of_paths = rule.contains("nonResourceURLs");
      CHECK_MESSAGE(of_paths != rule.contains("resources"), id);
      CHECK_MESSAGE(!dig(rule, "verbs").empty(), id);
      for (const auto& group : dig(rule, "apiGroups")) CHECK_MESSAGE(group != "-", id);
    }
    if (const auto& to = dig(one, "roleRef", "name"); to.is_string())
      CHECK_MESSAGE(seen["ClusterRole " + text_or(to)] == 1, id);
  }
  const auto& all = controllers::default_roles();
  std::vector<const json*> roles;
  for (const auto& role : all)
    if (dig(role, "kind") == "ClusterRole") roles.push_back(&role);
  for (const auto* role : roles) {   // edit holds view's, admin holds edit's
    const auto sum = dig(*role, "aggregationRule").is_object() ? controllers::sum_of_roles(*role, roles) : json();
    for (const auto& rule : sum) CHECK(std::ranges::count(dig(*role, "rules"), rule) == 1);
    if (!sum.is_null()) CHECK(sum.size() == dig(*role, "rules").size());
  }
  for (const auto& role : all) {
    if (text_or(dig(role, "metadata", "name")) != "admin") continue;
    const auto rules = rules_of(role);
    const auto can = [&](const wanted_access& what) { return std::any_of(rules.begin(), rules.end(), [&](const policy_rule& r) { return covers(r, what); }); };
    CHECK(can({"get", "", "pods", "", "n", "", ""}));
    CHECK(can({"create", "apps", "deployments", "", "n", "", ""}));
    CHECK(can({"create", "", "pods", "exec", "n", "", ""}));
    CHECK(can({"create", "rbac.authorization.k8s.io", "roles", "", "n", "", ""}));
    CHECK_FALSE(can({"create", "", "nodes", "", "", "", ""}));
  }
}

TEST_CASE("a default role that was altered gets back what it lacks and keeps what was added, unless it is marked to be left alone") {
  const auto wanted = *parse_json(R"({"metadata":{"name":"r","labels":{"l":"1"},"annotations":{"a":"1"}},"rules":[{"verbs":["get"]},{"verbs":["list"]}]})");
  auto present = wanted;
  CHECK_FALSE(controllers::role_update(wanted, present).has_value());
  present["rules"] = json::array({{{"verbs", {"list"}}}, {{"verbs", {"own"}}}});
  const auto change = controllers::role_update(wanted, present);
  REQUIRE(change.has_value());
  CHECK(to_text((*change)["rules"]) == R"([{"verbs":["list"]},{"verbs":["own"]},{"verbs":["get"]}])");
  present["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] = "false";
  CHECK_FALSE(controllers::role_update(wanted, present).has_value());
}
