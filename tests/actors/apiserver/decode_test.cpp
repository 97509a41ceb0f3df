#include <algorithm>

#include "actors/apiserver/wire/protobuf.hpp"
#include "basis/rng.hpp"
#include "tests/actors/apiserver/support.hpp"

using namespace troupe;
using namespace troupe::apiserver;
using namespace troupe::apiserver::testing;

namespace {
constexpr auto protobuf = "application/vnd.kubernetes.protobuf";

std::string from_hex(std::string_view text) {
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) out += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
  return out;
}

auto decode(std::string_view plural, std::string_view body, std::string_view type = "",
            field_validation mode = field_validation::strict, std::string_view sub = "") {
  return decode_body(type, body, kind_of(plural), sub, mode);
}
}  // namespace

TEST_CASE("protobuf bodies that kubectl 1.33 sent are read as the JSON that kubectl 1.27 sent") {
  struct row { const char *plural, *sub, *hex, *json; } rows[] = {
      {"configmaps", "",
       "6b3873000a0f0a0276311209436f6e6669674d6170121c0a120a02633212001a0022002a0032003800420012060a01611201621a002200",
       R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c2"},"data":{"a":"b"}})"},
      {"namespaces", "",
       "6b3873000a0f0a02763112094e616d657370616365121b0a130a03666f6f12001a0022002a0032003800420012001a020a001a002200",
       R"({"kind":"Namespace","apiVersion":"v1","metadata":{"name":"foo"},"spec":{},"status":{}})"},
      {"secrets", "", "6b3873000a0c0a0276311206536563726574121e0a120a02733112001a0022002a0032003800420012060a01611201621a001a002200",
       R"({"kind":"Secret","apiVersion":"v1","metadata":{"name":"s1"},"data":{"a":"Yg=="}})"},
      {"serviceaccounts", "token",
       "6b3873000a280a1861757468656e7469636174696f6e2e6b38732e696f2f7631120c546f6b656e5265717565737412200a100a0012001a00"
       "22002a0032003800420012060a017820901c1a040a0012001a002200",
       R"({"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","metadata":{},"spec":{"audiences":["x"],)"
       R"("expirationSeconds":3600},"status":{"token":""}})"}};
  for (const auto& row : rows) {
    auto got = decode(row.plural, from_hex(row.hex), protobuf, field_validation::strict, row.sub);
    CHECK_MESSAGE(good(got).object == read(row.json), row.plural);
    auto as_json = decode(row.plural, row.json, "application/json", field_validation::strict, row.sub);
    CHECK_MESSAGE(good(as_json).object == read(row.json), row.plural);
  }
}

TEST_CASE("broken protobuf is refused and never read past its end") {
  auto whole = from_hex(
      "6b3873000a0f0a0276311209436f6e6669674d6170121c0a120a02633212001a0022002a0032003800420012060a01611201621a002200");
  for (std::size_t size = 0; size < whole.size(); ++size) (void)decode("configmaps", whole.substr(0, size), protobuf);
  CHECK(bad(decode("configmaps", "{}", protobuf)).code == 400);
  CHECK(bad(decode("configmaps", "", protobuf)).code == 400);
  rng dice(3);
  for (int i = 0; i < 20000; ++i) {
    auto text = whole;
    for (auto n = 1 + dice.below(4); n > 0; --n) text[4 + dice.below(text.size() - 4)] = static_cast<char>(dice.below(256));
    auto got = decode("pods", text, protobuf);
    if (auto* fine = std::get_if<decoded>(&got)) CHECK(parse_json(to_text(fine->object)).ok());
  }
}

TEST_CASE("what the URL says may be missing in a body, and what contradicts it is refused") {
  CHECK(good(decode("configmaps", R"({"metadata":{"name":"js1"},"data":{"a":"1"}})")).object["kind"] == "ConfigMap");
  CHECK(bad(decode("configmaps", R"({"kind":"Secret"})")).code == 400);
  CHECK(bad(decode("configmaps", R"({"apiVersion":"v2"})")).message ==
        "the API version in the data (v2) does not match the expected API version (v1)");
  CHECK(bad(decode("configmaps", "{}", "text/plain")).code == 415);
  CHECK(good(decode("configmaps", "data:\n  a: \"1\"\n", "application/yaml")).object["data"]["a"] == "1");
  CHECK(good(decode("configmaps", "{}", "Application/JSON; charset=utf-8")).object.size() == 2);
  for (auto text : {"", "[]", "null", "{", "\"x\"", "{\"a\":\"\xff\"}", "{} {}", R"({"kind":5})"})
    CHECK_MESSAGE(bad(decode("configmaps", text)).code == 400, text);
  CHECK(bad(decode("configmaps", std::string(5000, '[') + std::string(5000, ']'))).code == 400);
  CHECK(bad(decode("configmaps", "{\"data\":" + std::string(2000, '{'))).code == 400);
  CHECK(bad(decode("configmaps", std::string(request_body_bytes_max + 1, ' '))).code == 413);
}

TEST_CASE("unknown and duplicate fields are refused, warned about or ignored") {
  auto text = R"({"metadata":{"name":"a","nmae":"b","labels":{"x":"1","x":"2"}},"data":{"k":"1"},"spec":{},"data":{"k":"2"}})";
  CHECK(bad(decode("configmaps", text)).message ==
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field "
        "\"metadata.nmae\", unknown field \"spec\", duplicate field \"metadata.labels.x\", duplicate field \"data\"");
  auto warned = good(decode("configmaps", text, "", field_validation::warn));
  CHECK(warned.warnings.size() == 4);
  CHECK(warned.warnings[0] == "unknown field \"metadata.nmae\"");
  CHECK(warned.object["data"]["k"] == "2");
  CHECK(!warned.object.contains("spec"));
  CHECK(good(decode("configmaps", text, "", field_validation::ignore)).warnings.empty());
  CHECK(bad(decode("pods", R"({"spec":{"containers":[{"name":"a"},{"imgae":"x"}]}})")).message.find(
            "unknown field \"spec.containers[1].imgae\"") != std::string::npos);
}

TEST_CASE("values take the form that Kubernetes stores") {
  auto pod = good(decode("pods", R"({"metadata":{"creationTimestamp":"2026-11-22T06:52:41+00:00","labels":{},"name":null},
      "spec":{"hostNetwork":false,"nodeName":"","containers":[{"name":"c","tty":false,"resources":{"limits":{"cpu":"1000m",
      "memory":1024}},"ports":[],"livenessProbe":{"httpGet":{"port":"web"}},"command":[null]}],
      "automountServiceAccountToken":false,"volumes":[{"name":"v","emptyDir":{}}]}})")).object;
  CHECK(pod["metadata"] == read(R"({"creationTimestamp":"2026-11-22T06:52:41Z"})"));
  CHECK(pod["spec"] == read(R"({"automountServiceAccountToken":false,"containers":[{"name":"c","command":[""],
      "livenessProbe":{"httpGet":{"port":"web"}},"resources":{"limits":{"cpu":"1","memory":"1024"}}}],
      "volumes":[{"emptyDir":{},"name":"v"}]})"));
  auto lease = good(decode_body("", R"({"spec":{"renewTime":"2026-11-22T06:53:33.000Z"}})",
                                kind_of("leases", "coordination.k8s.io"), "", field_validation::strict));
  CHECK(lease.object["spec"]["renewTime"] == "2026-11-22T06:53:33.000000Z");
}

TEST_CASE("values of the wrong type are refused with their place") {
  struct row { const char *plural, *text, *words; } rows[] = {
      {"configmaps", R"({"data":{"a":1}})", "json: cannot unmarshal number into Go struct field data.a of type"},
      {"configmaps", R"({"data":["a"]})", "json: cannot unmarshal array into Go struct field data of type map[string]"},
      {"pods", R"({"spec":{"containers":{}}})", "json: cannot unmarshal object into Go struct field spec.containers of type []"},
      {"pods", R"({"spec":{"hostNetwork":"yes"}})", "of type bool"},
      {"pods", R"({"spec":{"terminationGracePeriodSeconds":1.5}})", "of type int64"},
      {"pods", R"({"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}})", "quantities must match"},
      {"secrets", R"({"data":{"a":"not base64!"}})", "illegal base64 data at input byte"},
      {"configmaps", R"({"metadata":{"creationTimestamp":"yesterday"}})", "parsing time \"yesterday\""}};
  for (const auto& row : rows) {
    auto why = bad(decode(row.plural, row.text));
    CHECK(why.code == 400);
    CHECK_MESSAGE(why.message.find(row.words) != std::string::npos, why.message);
  }
}

TEST_CASE("delete options come from the body, or else from the query") {
  options query;
  query.grace_s = 0;
  query.propagation = "Foreground";
  CHECK(good(decode_delete_options("application/json", "", query)) ==
        read(R"({"gracePeriodSeconds":0,"propagationPolicy":"Foreground"})"));
  CHECK(good(decode_delete_options("application/json", R"({"propagationPolicy":"Background","dryRun":["All"]})", query)) ==
        read(R"({"propagationPolicy":"Background","dryRun":["All"]})"));
  CHECK(good(decode_delete_options("", R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":1})", {}))
            ["gracePeriodSeconds"] == 1);
  CHECK(bad(decode_delete_options("", R"({"kind":"Pod"})", {})).code == 400);
  CHECK(bad(decode_delete_options("", R"({"dryRun":["Some"]})", {})).code == 422);
  CHECK(bad(decode_delete_options("", R"({"propagationPolicy":"Sideways"})", {})).code == 422);
  CHECK(bad(decode_delete_options("", R"({"propagationPolicy":"Orphan","orphanDependents":true})", {})).code == 422);
  CHECK(bad(decode_delete_options("", R"({"gracePeriodSeconds":"x"})", {})).code == 400);
}
