// OpenAPI v3 schemas out of the schema table: what explain and client-side patches read.
#include <set>

#include "actors/apiserver/discovery/parts.hpp"

namespace troupe::apiserver::discovery {
namespace {

using schema::container;
using schema::field;
using schema::field_type;

constexpr std::string_view meta_prefix = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// Types that are single values: component name and schema.
struct value_type {
  field_type type;
  const char *name, *schema;
};
constexpr value_type value_types[] = {
    {field_type::time, "io.k8s.apimachinery.pkg.apis.meta.v1.Time", R"({"type":"string","format":"date-time"})"},
    {field_type::micro_time, "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
     R"({"type":"string","format":"date-time"})"},
    {field_type::duration, "io.k8s.apimachinery.pkg.apis.meta.v1.Duration", R"({"type":"string"})"},
    {field_type::quantity, "io.k8s.apimachinery.pkg.api.resource.Quantity",
     R"({"oneOf":[{"type":"string"},{"type":"number"}]})"},
    {field_type::int_or_string, "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
     R"({"format":"int-or-string","oneOf":[{"type":"integer"},{"type":"string"}]})"}};

class document_writer {
 public:
  explicit document_writer(const group_version& of) : of_(of) {}

  std::string run() {
    for (const auto* kind : kinds_of(of_)) {
      roots_[kind->message] = kind;
      visit(kind->message);
      for (const auto& sub : kind->subresources)
        if (sub.message != 0xffff) visit(sub.message);
    }
    for (auto name : {"DeleteOptions", "Status", "ListMeta"})
      if (const auto* found = schema::find_message(std::string(meta_prefix) + name)) visit(index_of(*found));
    std::string out = R"({"openapi":"3.0.0","info":{"title":"Kubernetes","version":"v1.33.0"},"paths":)";
    out.append(to_text(openapi_paths(of_))).append(R"(,"components":{"schemas":{)");
    bool first = true;
    auto add = [&](std::string_view name, std::string_view text) {
      out.append(first ? "" : ",").append("\"").append(name).append("\":").append(text);
      first = false;
    };
    for (auto index : seen_) add(schema::message_at(index).name(), to_text(message_json(index)));
    for (const auto& [index, kind] : roots_) add(list_schema(*kind), to_text(list_json(*kind)));
    for (const auto& each : value_types) add(each.name, each.schema);
    return out.append("}}}");
  }

 private:
  static std::uint16_t index_of(const schema::message& of) {
    return static_cast<std::uint16_t>(&of - schema::messages().data());
  }

  void visit(std::uint16_t index) {
    if (!seen_.insert(index).second) return;
    for (const auto& each : schema::message_at(index).fields())
      if (each.type == field_type::message) visit(each.message_index);
  }

  static json type_json(const field& as) {
    switch (as.type) {
      case field_type::text: return {{"type", "string"}};
      case field_type::integer: return {{"type", "integer"}, {"format", "int64"}};
      case field_type::number: return {{"type", "number"}, {"format", "double"}};
      case field_type::boolean: return {{"type", "boolean"}};
      case field_type::base64: return {{"type", "string"}, {"format", "byte"}};
      case field_type::any: return {{"type", "object"}};
      case field_type::text_list: return {{"type", "array"}, {"items", {{"type", "string"}}}};
      case field_type::message: return schema_ref(schema::message_at(as.message_index).name());
      default: break;
    }
    for (const auto& each : value_types)
      if (each.type == as.type) return schema_ref(each.name);
    return json::object();
  }

  json field_json(const field& as) const {
    auto inner = type_json(as);
    json out;
    if (as.shape == container::list) out = {{"type", "array"}, {"items", std::move(inner)}};
    else if (as.shape == container::map) out = {{"type", "object"}, {"additionalProperties", std::move(inner)}};
    else if (inner.contains("$ref")) out = {{"allOf", json::array({std::move(inner)})}};
    else out = std::move(inner);
    if (auto text = texts_.at(as.description); !text.empty()) out["description"] = text;
    if (!as.default_json().empty()) out["default"] = json::parse(as.default_json(), nullptr, false);
    if (as.shape == container::map && as.has(field::atomic)) out["x-kubernetes-map-type"] = "atomic";
    if (as.shape != container::list) return strategy(std::move(out), as);
    if (as.has(field::atomic)) out["x-kubernetes-list-type"] = "atomic";
    if (as.has(field::set)) out["x-kubernetes-list-type"] = "set";
    if (as.has(field::list_map)) {
      out["x-kubernetes-list-type"] = "map";
      out["x-kubernetes-list-map-keys"] = json::array({as.merge_key()});
    }
    return strategy(std::move(out), as);
  }

  static json strategy(json out, const field& as) {
    bool merge = as.has(field::merge), retain = as.has(field::retain_keys);
    if (merge || retain)
      out["x-kubernetes-patch-strategy"] = merge && retain ? "merge,retainKeys" : merge ? "merge" : "retainKeys";
    if (!as.merge_key().empty()) out["x-kubernetes-patch-merge-key"] = as.merge_key();
    return out;
  }

  json message_json(std::uint16_t index) const {
    const auto& as = schema::message_at(index);
    json out = {{"type", "object"}}, properties = json::object(), required = json::array();
    for (const auto& each : as.fields()) {
      properties[std::string(each.name())] = field_json(each);
      if (each.has(field::required)) required.push_back(each.name());
    }
    if (!properties.empty()) out["properties"] = std::move(properties);
    if (!required.empty()) out["required"] = std::move(required);
    if (auto text = texts_.at(as.description); !text.empty()) out["description"] = text;
    if (as.flags & field::atomic) out["x-kubernetes-map-type"] = "atomic";
    if (auto found = roots_.find(index); found != roots_.end())
      out["x-kubernetes-group-version-kind"] = gvk(found->second->name);
    return out;
  }

  json gvk(std::string_view name) const {
    return json::array({{{"group", of_.group}, {"version", of_.version}, {"kind", name}}});
  }

  json list_json(const schema::kind& kind) const {
    json properties = {{"apiVersion", {{"type", "string"}}},
                       {"kind", {{"type", "string"}}},
                       {"metadata", schema_ref(std::string(meta_prefix) + "ListMeta")},
                       {"items", {{"type", "array"}, {"items", schema_ref(schema::message_at(kind.message).name())}}}};
    return {{"type", "object"},
            {"description", std::string(kind.list_kind) + " is a list of " + std::string(kind.name) + " objects."},
            {"properties", std::move(properties)},
            {"required", json::array({"items"})},
            {"x-kubernetes-group-version-kind", gvk(kind.list_kind)}};
  }

  const group_version& of_;
  schema::descriptions texts_;
  std::set<std::uint16_t> seen_;
  std::map<std::uint16_t, const schema::kind*> roots_;
};

}  // namespace

json schema_ref(std::string_view name) { return {{"$ref", "#/components/schemas/" + std::string(name)}}; }

std::string list_schema(const schema::kind& kind) {
  return std::string(schema::message_at(kind.message).name()).append("List");
}

std::string openapi_document(const group_version& of) { return document_writer(of).run(); }

}  // namespace troupe::apiserver::discovery
