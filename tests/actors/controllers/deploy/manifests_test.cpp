#include "actors/controllers/deploy/manifests.hpp"

#include <doctest/doctest.h>

#include "actors/controllers/deploy/merging.hpp"

using namespace troupe;
using namespace troupe::controllers;

namespace {

std::vector<std::string> chosen(std::vector<std::string> paths, const std::set<std::string>& disabled = {}) {
  std::vector<manifest_file> all;
  for (auto& p : paths) all.push_back({std::move(p), {}, 1, {}, false});
  std::vector<std::string> out;
  for (const auto& one : choose_manifests(std::move(all), disabled)) out.push_back(one.path + ">" + one.addon + (one.disabled ? "!" : ""));
  return out;
}
using names = std::vector<std::string>;
json parsed(const char* text) { return *parse_json(text); }

}  // namespace

TEST_CASE("manifests are .yaml, .yml and .json, neither hidden nor skipped, also in folders") {
  CHECK(chosen({"b.yml", "a.yaml", "c.json", "d.txt", ".e.yaml", "sub/f.v2.yaml"}) == names{"a.yaml>a", "b.yml>b", "c.json>c", "sub/f.v2.yaml>f"});
  CHECK(chosen({"a.yaml", "a.yaml.skip", "b.yaml"}) == names{"b.yaml>b"});
  CHECK(chosen({"a.yaml", "a.yml"}) == names{"a.yaml>a"});
}

TEST_CASE("what is disabled is named by its file without extension, or by its folder") {
  CHECK(chosen({"a.yaml", "b.yaml"}, {"b"}) == names{"a.yaml>a", "b.yaml>b!"});
  CHECK(chosen({"metrics-server/x.yaml", "metrics-server/y.yaml"}, {"metrics-server"}) == names{"metrics-server/x.yaml>x!", "metrics-server/y.yaml>y!"});
}

TEST_CASE("a file's documents and lists are its objects, Namespaces first") {
  const auto got = read_objects("# nothing\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: n}}\n");
  REQUIRE(got.ok());
  REQUIRE(got->size() == 2);
  CHECK((*got)[0]["kind"] == "Namespace");
  CHECK((*got)[1]["metadata"]["name"] == "a");
  CHECK(read_objects("{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"}}")->size() == 1);
  CHECK(read_objects("")->empty());
}

TEST_CASE("what is no manifest is refused, and where") {
  CHECK(read_objects("a: b: c").why().note.starts_with("line 1"));
  CHECK(read_objects("apiVersion: v1\nkind: ConfigMap\n---\n- 1\n").why().note == "object 2 has no apiVersion or no kind");
  CHECK(read_objects("\tx: 1").why().note.find("tab") != std::string::npos);
  CHECK(place_of(parsed(R"({"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"x"}})")).why().note == "no matches for kind \"Thing\" in version \"example.com/v1\"");
  CHECK(place_of(parsed(R"({"apiVersion":"v1","kind":"ConfigMap"})")).why().note == "ConfigMap: metadata.name is required");
}

TEST_CASE("an object's place is known from its kind") {
  const auto at = place_of(parsed(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"}})"));
  REQUIRE(at.ok());
  CHECK(at->path() == "/apis/apps/v1/namespaces/default/deployments/web");
  CHECK(at->kind == "apps/v1, Kind=Deployment");
  CHECK(path_of_kind(at->kind) == "/apis/apps/v1/deployments");
  CHECK(path_of_kind("/v1, Kind=ConfigMap") == "/api/v1/configmaps");
  CHECK(path_of_kind("nonsense").empty());
  CHECK(place_of(parsed(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"}})"))->path() == "/api/v1/namespaces/n");
}

TEST_CASE("an object carries whose it is") {
  const auto one = marked(parsed(R"({"kind":"ConfigMap","metadata":{"name":"a","labels":{"x":"y"}}})"), "web");
  CHECK(is_of(one, "web"));
  CHECK(!is_of(one, "other"));
  CHECK(one["metadata"]["labels"]["x"] == "y");
  CHECK(parsed(one["metadata"]["annotations"][annotation_applied].get<std::string>().c_str())["metadata"]["name"] == "a");
}

TEST_CASE("a patch holds what differs, takes back what the manifest no longer says, and leaves alone what it never said") {
  const auto before = parsed(R"({"data":{"a":"1","b":"2"},"list":[1,2]})"), wanted = parsed(R"({"data":{"a":"3"},"list":[1,2],"more":null})");
  CHECK(merge_patch(before, wanted, parsed(R"({"data":{"a":"1","b":"2","c":"by another"},"list":[1,2]})")) == parsed(R"({"data":{"a":"3","b":null}})"));
  CHECK(merge_patch(before, wanted, parsed(R"({"data":{"a":"3","c":"x"},"list":[{"n":1,"default":true}]})")).empty());
  CHECK(merge_patch(nullptr, wanted, parsed(R"({"data":{"a":"3"},"list":[9]})")) == parsed(R"({"list":[1,2]})"));
  CHECK(merge_patch(before, parsed(R"({"list":[1]})"), parsed(R"({"data":{"a":"1"},"list":[1,2]})")) == parsed(R"({"data":null,"list":[1]})"));
}
