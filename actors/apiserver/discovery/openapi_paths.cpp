// OpenAPI v3 operations: enough for clients that look for a kind's PATCH and its fieldValidation parameter, and for
// generators that list what can be called.
#include <cstddef>

#include "actors/apiserver/discovery/parts.hpp"

namespace troupe::apiserver::discovery {
namespace {

json parameter(const char* name, const char* type, const char* in = "query") {
  json out = {{"name", name}, {"in", in}, {"schema", {{"type", type}, {"uniqueItems", true}}}};
  if (std::string_view(in) == "path") out["required"] = true;
  return out;
}

json write_parameters(bool patch) {
  json out = json::array({parameter("dryRun", "string"), parameter("fieldManager", "string"),
                          parameter("fieldValidation", "string")});
  if (patch) out.push_back(parameter("force", "boolean"));
  return out;
}

json list_parameters() {
  json out = json::array();
  for (auto name : {"continue", "fieldSelector", "labelSelector", "resourceVersion", "resourceVersionMatch"})
    out.push_back(parameter(name, "string"));
  out.push_back(parameter("limit", "integer"));
  out.push_back(parameter("timeoutSeconds", "integer"));
  out.push_back(parameter("allowWatchBookmarks", "boolean"));
  out.push_back(parameter("watch", "boolean"));
  return out;
}

json content(std::initializer_list<const char*> types, const json& schema) {
  json out = json::object();
  for (auto each : types) out[each]["schema"] = schema;
  return {{"content", std::move(out)}};
}

json answers(const json& schema, std::initializer_list<const char*> codes) {
  json out = json::object();
  for (auto code : codes) {
    out[code] = content({"application/json", "application/yaml"}, schema);
    out[code]["description"] = std::string_view(code) == "201" ? "Created" : "OK";
  }
  return out;
}

class kind_paths {
 public:
  kind_paths(const group_version& of, const schema::kind& kind, json& paths) : of_(of), kind_(kind), paths_(paths) {
    self_ = schema_ref(schema::message_at(kind.message).name());
  }

  void write() {
    auto base = std::string("/").append(of_.path());
    auto scope = base + (kind_.namespaced ? "/namespaces/{namespace}" : "");
    auto collection = scope + "/" + std::string(kind_.plural);
    if (kind_.namespaced) collection_paths(base + "/" + std::string(kind_.plural), true);
    collection_paths(collection, false);
    auto item = collection + "/{name}";
    operations(item, kind_.verbs);
    for (const auto& sub : kind_.subresources)
      if (sub.kind == kind_.name && sub.message != 0xffff) operations(item + "/" + std::string(sub.name), sub.verbs);
  }

 private:
  json operation(const char* action, json responses) const {
    return {
        {"tags",
         json::array({of_.group.empty() ? "core_v1" : std::string(of_.group) + "_" + std::string(of_.version)})},
        {"responses", std::move(responses)},
        {"x-kubernetes-action", action},
        {"x-kubernetes-group-version-kind", {{"group", of_.group}, {"version", of_.version}, {"kind", kind_.name}}}};
  }

  json path_parameters(bool in_namespace, bool named) const {
    json out = json::array();
    if (named) out.push_back(parameter("name", "string", "path"));
    if (in_namespace) out.push_back(parameter("namespace", "string", "path"));
    out.push_back(parameter("pretty", "string"));
    return out;
  }

  void collection_paths(const std::string& path, bool everywhere) {
    auto& at = paths_[path];
    at["parameters"] = path_parameters(kind_.namespaced && !everywhere, false);
    at["get"] = operation("list", answers(schema_ref(list_schema(kind_)), {"200"}));
    at["get"]["parameters"] = list_parameters();
    if (everywhere) return;
    at["post"] = operation("post", answers(self_, {"200", "201", "202"}));
    at["post"]["parameters"] = write_parameters(false);
    at["post"]["requestBody"] = content({"*/*"}, self_);
    if (!kind_.can(schema::verb_remove_collection)) return;
    at["delete"] =
        operation("deletecollection", answers(schema_ref("io.k8s.apimachinery.pkg.apis.meta.v1.Status"), {"200"}));
    at["delete"]["parameters"] = list_parameters();
  }

  void operations(const std::string& path, std::uint16_t verbs) {
    auto& at = paths_[path];
    at["parameters"] = path_parameters(kind_.namespaced, true);
    if (verbs & schema::verb_get) at["get"] = operation("get", answers(self_, {"200"}));
    if (verbs & schema::verb_update) {
      at["put"] = operation("put", answers(self_, {"200", "201"}));
      at["put"]["parameters"] = write_parameters(false);
      at["put"]["requestBody"] = content({"*/*"}, self_);
    }
    if (verbs & schema::verb_patch) {
      at["patch"] = operation("patch", answers(self_, {"200", "201"}));
      at["patch"]["parameters"] = write_parameters(true);
      at["patch"]["requestBody"] = content({"application/json-patch+json", "application/merge-patch+json",
                                            "application/strategic-merge-patch+json"},
                                           {{"type", "object"}});
    }
    if (verbs & schema::verb_remove) {
      at["delete"] =
          operation("delete", answers(schema_ref("io.k8s.apimachinery.pkg.apis.meta.v1.Status"), {"200", "202"}));
      at["delete"]["requestBody"] = content({"*/*"}, schema_ref("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"));
    }
  }

  const group_version& of_;
  const schema::kind& kind_;
  json& paths_;
  json self_;
};

}  // namespace

json openapi_paths(const group_version& of) {
  json out = json::object();
  for (const auto* kind : kinds_of(of)) kind_paths(of, *kind, out).write();
  return out;
}

}  // namespace troupe::apiserver::discovery
