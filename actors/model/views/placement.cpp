#include "actors/model/views/placement.hpp"

#include <algorithm>
#include <charconv>

namespace troupe::model {
namespace {

std::int64_t as_number(const std::string& text, bool& ok) {
  std::int64_t out = 0;
  const auto done = std::from_chars(text.data(), text.data() + text.size(), out);
  ok = done.ec == std::errc() && done.ptr == text.data() + text.size();
  return out;
}

bool test_holds(const node_term::test& test, const std::string* value) {
  const bool listed = value && std::ranges::find(test.values, *value) != test.values.end();
  if (test.how == "In") return listed;
  if (test.how == "NotIn") return !listed;
  if (test.how == "Exists") return value != nullptr;
  if (test.how == "DoesNotExist") return value == nullptr;
  if (!value || test.values.size() != 1) return false;
  bool left = false, right = false;
  const auto have = as_number(*value, left), bound = as_number(test.values[0], right);
  if (!left || !right) return false;
  return test.how == "Gt" ? have > bound : test.how == "Lt" && have < bound;
}

node_term read_term(const json& term, std::int64_t weight) {
  node_term out;
  out.weight = weight;
  auto read = [](const json& list, std::vector<node_term::test>& to) {
    for (const auto& each : list) {
      node_term::test one{text_or(dig(each, "key")), text_or(dig(each, "operator")), {}};
      for (const auto& value : dig(each, "values")) one.values.push_back(text_or(value));
      to.push_back(std::move(one));
    }
  };
  read(dig(term, "matchExpressions"), out.labels);
  read(dig(term, "matchFields"), out.fields);
  return out;
}

}  // namespace

std::vector<toleration> read_tolerations(const json& list) {
  std::vector<toleration> out;
  for (const auto& each : list)
    out.push_back({text_or(dig(each, "key")), text_or(dig(each, "value")), text_or(dig(each, "effect")), dig(each, "operator") == "Exists"});
  return out;
}

std::vector<taint> read_taints(const json& node) {
  std::vector<taint> out;
  for (const auto& each : dig(node, "spec", "taints"))
    out.push_back({text_or(dig(each, "key")), text_or(dig(each, "value")), text_or(dig(each, "effect"))});
  return out;
}

placement read_placement(const json& pod_spec) {
  placement out;
  out.tolerations = read_tolerations(dig(pod_spec, "tolerations"));
  for (const auto& [key, value] : dig(pod_spec, "nodeSelector").items()) out.node_selector[key] = text_or(value);
  const auto& node = dig(pod_spec, "affinity", "nodeAffinity");
  const auto& must = dig(node, "requiredDuringSchedulingIgnoredDuringExecution");
  out.has_affinity = must.is_object();
  for (const auto& each : dig(must, "nodeSelectorTerms")) out.required.push_back(read_term(each, 0));
  for (const auto& each : dig(node, "preferredDuringSchedulingIgnoredDuringExecution"))
    out.preferred.push_back(read_term(dig(each, "preference"), dig(each, "weight").is_number_integer() ? each["weight"].get<std::int64_t>() : 1));
  return out;
}

bool tolerates(const std::vector<toleration>& list, const taint& what) {
  return std::ranges::any_of(list, [&](const toleration& each) {
    if (!each.effect.empty() && each.effect != what.effect) return false;
    if (each.key.empty()) return each.exists;
    return each.key == what.key && (each.exists || each.value == what.value);
  });
}

bool term_matches(const node_term& term, const json& labels, const std::string& name) {
  if (term.labels.empty() && term.fields.empty()) return false;
  auto label = [&](const std::string& key) -> const std::string* {
    const auto& value = dig(labels, key);
    return value.is_string() ? value.get_ptr<const std::string*>() : nullptr;
  };
  return std::ranges::all_of(term.labels, [&](const auto& each) { return test_holds(each, label(each.key)); }) &&
         std::ranges::all_of(term.fields, [&](const auto& each) { return each.key == "metadata.name" && test_holds(each, &name); });
}

bool selects_node(const placement& of, const json& labels, const std::string& name) {
  for (const auto& [key, value] : of.node_selector) {
    const auto& have = dig(labels, key);
    if (!have.is_string() || have.get_ref<const std::string&>() != value) return false;
  }
  if (!of.has_affinity) return true;
  return std::ranges::any_of(of.required, [&](const auto& each) { return term_matches(each, labels, name); });
}

}  // namespace troupe::model
