#include "actors/apiserver/patch/patch.hpp"

#include "tests/actors/apiserver/support.hpp"

using namespace troupe;
using namespace troupe::apiserver;
using namespace troupe::apiserver::testing;

namespace {
constexpr auto strategic = "application/strategic-merge-patch+json", merge = "application/merge-patch+json",
               operations = "application/json-patch+json";

json smp(const char* message, std::string_view target, std::string_view patch) {
  auto out = read(target);
  auto done = apply_strategic_patch(out, read(patch), *schema::find_message(std::string("io.k8s.api.core.v1.") + message));
  if (!done) return done.why().note;
  return out;
}

std::variant<prepared, api_error> patched(std::string_view plural, const json& old, const char* type, std::string_view body,
                                          field_validation mode = field_validation::warn) {
  auto ctx = context();
  ctx.validation = mode;
  return apply_patch(kind_of(plural), type, old, body, ctx);
}
}  // namespace

TEST_CASE("JSON patch does what RFC 6902 says") {
  struct row { const char *target, *patch, *wanted; } rows[] = {
      {R"({"a":1})", R"([{"op":"add","path":"/b","value":2}])", R"({"a":1,"b":2})"},
      {R"({"a":[1,3]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2,3]})"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])", R"({"a":[1,2]})"},
      {R"({"a":1,"b":2})", R"([{"op":"remove","path":"/a"}])", R"({"b":2})"},
      {R"({"a":[1,2,3]})", R"([{"op":"remove","path":"/a/1"}])", R"({"a":[1,3]})"},
      {R"({"a":1})", R"([{"op":"replace","path":"/a","value":{"x":null}}])", R"({"a":{"x":null}})"},
      {R"({"a":{"b":1}})", R"([{"op":"move","from":"/a/b","path":"/c"}])", R"({"a":{},"c":1})"},
      {R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/c"}])", R"({"a":{"b":1},"c":{"b":1}})"},
      {R"({"a/b":1,"~":2})", R"([{"op":"test","path":"/a~1b","value":1},{"op":"replace","path":"/~0","value":3}])", R"({"a/b":1,"~":3})"},
      {R"({"a":1})", R"([{"op":"add","path":"","value":{"z":1}}])", R"({"z":1})"},
      {R"({"a":1})", R"([{"op":"test","path":"/x","value":null}])", R"({"a":1})"}};
  for (const auto& row : rows) {
    auto target = read(row.target);
    CHECK_MESSAGE(apply_json_patch(target, read(row.patch)).ok(), row.patch);
    CHECK_MESSAGE(target == read(row.wanted), row.patch);
  }
  struct fault { const char* patch; errc code; } faults[] = {
      {R"({})", errc::invalid}, {R"([1])", errc::invalid}, {R"([{"op":"add"}])", errc::invalid},
      {R"([{"op":"fly","path":"/a"}])", errc::invalid}, {R"([{"op":"add","path":"/b"}])", errc::invalid},
      {R"([{"op":"add","path":"b","value":1}])", errc::invalid}, {R"([{"op":"add","path":"/~2","value":1}])", errc::invalid},
      {R"([{"op":"move","path":"/a/b/c","from":"/a"}])", errc::invalid},
      {R"([{"op":"remove","path":"/none"}])", errc::conflict}, {R"([{"op":"replace","path":"/none","value":1}])", errc::conflict},
      {R"([{"op":"test","path":"/l/0","value":2}])", errc::conflict}, {R"([{"op":"add","path":"/l/3","value":2}])", errc::conflict},
      {R"([{"op":"remove","path":"/l/-"}])", errc::conflict}, {R"([{"op":"remove","path":"/l/01"}])", errc::conflict},
      {R"([{"op":"copy","from":"/none","path":"/x"}])", errc::conflict}};
  for (const auto& row : faults) {
    auto target = read(R"({"a":{"b":1},"l":[1]})");
    auto done = apply_json_patch(target, read(row.patch));
    REQUIRE_MESSAGE(!done.ok(), row.patch);
    CHECK_MESSAGE(done.code() == row.code, row.patch);
  }
}

TEST_CASE("a JSON patch cannot be used to fill the memory") {
  json many = json::array(), target = json::object();
  for (std::size_t i = 0; i <= json_patch_operations_max; ++i) many.push_back({{"op", "add"}, {"path", "/a"}, {"value", 1}});
  CHECK(apply_json_patch(target, many).code() == errc::too_large);
  json doubling = json::array();
  for (int i = 0; i < 60; ++i) doubling.push_back({{"op", "copy"}, {"from", "/a"}, {"path", "/a/-"}});
  target = {{"a", json::array({"0123456789"})}};
  CHECK(apply_json_patch(target, doubling).code() == errc::too_large);
}

TEST_CASE("merge patch does what RFC 7386 says") {
  struct row { const char *target, *patch, *wanted; } rows[] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"}, {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", R"({})"}, {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"}, {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
      {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"}, {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}};
  for (const auto& row : rows) {
    auto target = read(row.target);
    apply_merge_patch(target, read(row.patch));
    CHECK_MESSAGE(target == read(row.wanted), row.patch);
  }
}

TEST_CASE("strategic merge patch follows the schema's strategies and directives") {
  struct row { const char *message, *target, *patch, *wanted; } rows[] = {
      {"ConfigMap", R"({"data":{"a":"1","b":"2"}})", R"({"data":{"a":null,"c":"3"}})", R"({"data":{"b":"2","c":"3"}})"},
      {"PodSpec", R"({"containers":[{"name":"a","image":"x"},{"name":"b"}]})", R"({"containers":[{"name":"a","image":"y"}]})",
       R"({"containers":[{"name":"a","image":"y"},{"name":"b"}]})"},
      {"PodSpec", R"({"containers":[{"name":"a"}]})", R"({"containers":[{"name":"b"}]})", R"({"containers":[{"name":"b"},{"name":"a"}]})"},
      {"PodSpec", R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"containers":[{"$patch":"delete","name":"a"}]})",
       R"({"containers":[{"name":"b"}]})"},
      {"PodSpec", R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"containers":[{"name":"c"},{"$patch":"replace"}]})",
       R"({"containers":[{"name":"c"}]})"},
      {"PodSpec", R"({"securityContext":{"runAsUser":1,"fsGroup":2}})", R"({"securityContext":{"$patch":"replace","fsGroup":3}})",
       R"({"securityContext":{"fsGroup":3}})"},
      {"PodSpec", R"({"securityContext":{"runAsUser":1}})", R"({"securityContext":{"$patch":"delete"}})", R"({"securityContext":{}})"},
      {"PodSpec", R"({"containers":[{"name":"a"},{"name":"b"},{"name":"s"}]})",
       R"({"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],"containers":[{"name":"a","image":"i"}]})",
       R"({"containers":[{"name":"b"},{"name":"a","image":"i"},{"name":"s"}]})"},
      {"PodSpec", R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]})",
       R"({"containers":[{"name":"b"},{"name":"a"}]})"},
      {"PodSpec", R"({"tolerations":[{"key":"a"}]})", R"({"tolerations":[{"key":"b"}]})", R"({"tolerations":[{"key":"b"}]})"},
      {"PodSpec", R"({"volumes":[{"name":"v","emptyDir":{}}]})",
       R"({"volumes":[{"$retainKeys":["name","hostPath"],"name":"v","hostPath":{"path":"/x"}}]})",
       R"({"volumes":[{"name":"v","hostPath":{"path":"/x"}}]})"},
      {"ObjectMeta-", R"({"finalizers":["a/b"]})", R"({"finalizers":["c/d","a/b"]})", R"({"finalizers":["c/d","a/b"]})"},
      {"ObjectMeta-", R"({"finalizers":["a/b","c/d"]})", R"({"$deleteFromPrimitiveList/finalizers":["a/b"]})", R"({"finalizers":["c/d"]})"},
      {"ServiceSpec", R"({"ports":[{"port":80,"protocol":"TCP"}]})", R"({"ports":[{"port":80,"name":"w"},{"port":81}]})",
       R"({"ports":[{"port":80,"protocol":"TCP","name":"w"},{"port":81}]})"},
      {"Endpoints", R"({"subsets":[{"addresses":[{"ip":"1.1.1.1"}]}]})",
       R"({"subsets":[{"addresses":[{"ip":"10.0.0.1","hostname":null,"nodeName":"n1"}]}]})",
       R"({"subsets":[{"addresses":[{"ip":"10.0.0.1","nodeName":"n1"}]}]})"},
      {"NodeStatus", R"({"conditions":[{"type":"Ready","status":"True","reason":"r"},{"type":"Disk","status":"False"}]})",
       R"({"conditions":[{"type":"Ready","status":"False"}]})",
       R"({"conditions":[{"type":"Ready","status":"False","reason":"r"},{"type":"Disk","status":"False"}]})"},
      {"NodeSpec", R"({"unschedulable":true})", R"({"unschedulable":null})", R"({})"},
      {"PodSpec", R"({})", R"({"containers":[{"name":"a","env":[{"name":"x","value":null}]}]})",
       R"({"containers":[{"name":"a","env":[{"name":"x"}]}]})"}};
  for (const auto& row : rows) {
    bool meta = std::string(row.message) == "ObjectMeta-";
    auto target = read(row.target);
    const auto* as = meta ? schema::find_message("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
                          : schema::find_message(std::string("io.k8s.api.core.v1.") + row.message);
    auto done = apply_strategic_patch(target, read(row.patch), *as);
    REQUIRE_MESSAGE(done.ok(), row.patch);
    CHECK_MESSAGE(target == read(row.wanted), (row.patch + (" gave " + target.dump())));
  }
  CHECK(smp("PodSpec", R"({"containers":[{"name":"a"}]})", R"({"containers":[{"image":"x"}]})")
            .get<std::string>().find("does not contain declared merge key: name") != std::string::npos);
  CHECK(smp("PodSpec", "{}", R"({"$patch":"frobnicate"})").is_string());
  CHECK(smp("PodSpec", R"({"containers":[{"name":"a"}]})", R"({"containers":["x"]})").is_string());
  CHECK(smp("PodSpec", "{}", R"({"$setElementOrder/containers":5})").is_string());
  CHECK(smp("PodSpec", R"({"volumes":[{"name":"v"}]})", R"({"volumes":[{"name":"v","$retainKeys":7}]})").is_string());
}

TEST_CASE("patroni's recorded patches keep its leader election correct") {
  auto leader = published(created("configmaps", R"({"metadata":{"namespace":"default","name":"batman-leader","labels":
      {"application":"patroni"},"annotations":{"leader":"p1","ttl":"30"}}})"), "1021");
  auto body = R"({"metadata":{"namespace":"default","name":"batman-leader","labels":{"application":"patroni"},
      "annotations":{"leader":null,"optime":"200"},"resourceVersion":"1021"}})";
  auto next = good(patched("configmaps", leader, strategic, body));
  auto done = good(prepare_update(kind_of("configmaps"), leader, next.object, "", context()));
  CHECK(done.object["metadata"]["annotations"] == read(R"({"optime":"200","ttl":"30"})"));
  auto moved = published(done.object, "1022");
  auto stale = good(patched("configmaps", moved, strategic, body));
  auto why = bad(prepare_update(kind_of("configmaps"), moved, stale.object, "", context()));
  CHECK(why.code == 409);
  CHECK(why.reason == "Conflict");
  auto endpoints = published(created("endpoints", R"({"metadata":{"name":"batman"},"subsets":[{"addresses":[{"ip":"10.0.0.1"}],
      "ports":[{"port":5432,"name":"postgresql"}]}]})"), "7");
  auto cleared = good(patched("endpoints", endpoints, strategic, R"({"metadata":{"resourceVersion":"7"},"subsets":[]})"));
  CHECK(!good(prepare_update(kind_of("endpoints"), endpoints, cleared.object, "", context())).object.contains("subsets"));
}

TEST_CASE("recorded patches of kubectl, python and node apply") {
  auto map = published(created("configmaps", R"({"metadata":{"name":"cm1"},"data":{"a":"1"}})"));
  CHECK(good(patched("configmaps", map, merge, R"({"data":{"b":"2"}})")).object["data"] == read(R"({"a":"1","b":"2"})"));
  CHECK(good(patched("configmaps", map, operations, R"([{"op":"add","path":"/data/c","value":"3"}])")).object["data"]["c"] == "3");
  auto node = published(created("nodes", R"({"metadata":{"name":"n1"},"status":{"conditions":[{"type":"Ready","status":"True"}]}})"));
  CHECK(node["status"]["conditions"].size() == 1);
  auto tainted = good(patched("nodes", node, strategic, R"({"spec":{"taints":[{"effect":"NoSchedule","key":"k","value":"v"}]}})"));
  CHECK(good(prepare_update(kind_of("nodes"), node, tainted.object, "", context(""))).object["spec"]["taints"].size() == 1);
  CHECK(good(patched("nodes", node, strategic, R"({"spec":{"unschedulable":true}})")).object["spec"]["unschedulable"] == true);
  CHECK(bad(patched("configmaps", map, "application/apply-patch+yaml", "{}")).code == 415);
  CHECK(bad(patched("configmaps", map, merge, "[]")).code == 400);
  CHECK(bad(patched("configmaps", map, merge, "{")).code == 400);
  CHECK(bad(patched("configmaps", map, merge, R"({"kind":"Secret"})")).code == 400);
  CHECK(bad(patched("configmaps", map, merge, R"({"data":{"a":1}})")).code == 422);
  CHECK(bad(patched("configmaps", map, operations, R"([{"op":"test","path":"/data/a","value":"2"}])")).code == 422);
  CHECK(bad(patched("configmaps", map, merge, R"({"spec":{}})", field_validation::strict)).message.find(
            "strict decoding error: unknown field \"spec\"") != std::string::npos);
  CHECK(good(patched("configmaps", map, merge, R"({"spec":{}})")).warnings == std::vector<std::string>{"unknown field \"spec\""});
}

TEST_CASE("a patch of an event reaches it under the names of either group") {
  json old = read(R"({"apiVersion":"v1","kind":"Event","message":"m","metadata":{"name":"e","namespace":"default","resourceVersion":"3"}})");
  auto out = apply_patch(kind_of("events", "events.k8s.io"), merge, old, R"({"note":"n","reportingController":"x"})", context());
  CHECK(good(out).object["message"] == "n");
  CHECK(good(out).object["reportingComponent"] == "x");
  CHECK(good(out).object["apiVersion"] == "v1");
}
