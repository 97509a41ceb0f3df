#include "actors/apiserver/wire/representation.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include "actors/apiserver/wire/decode.hpp"

namespace troupe::apiserver {
namespace {

constexpr std::size_t accept_elements_max = 64;

/// One element of an Accept header.
struct offer {
  std::string type, as, group, version;
  int quality = 1000;
  bool has(std::string_view kind, std::string_view in) const { return as == kind && group == in; }
};

std::string_view trimmed(std::string_view text) {
  auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

int read_quality(std::string_view text) {
  // "1", "0.8", "0.123": thousandths.
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return 0;
  int value = (text[0] - '0') * 1000, unit = 100;
  for (std::size_t i = 2; i < text.size() && i < 5 && text[i] >= '0' && text[i] <= '9'; ++i, unit /= 10)
    value += (text[i] - '0') * unit;
  return std::min(value, 1000);
}

std::vector<offer> offers_of(std::string_view accept) {
  std::vector<offer> out;
  while (!accept.empty() && out.size() < accept_elements_max) {
    auto element = accept.substr(0, accept.find(','));
    accept.remove_prefix(std::min(element.size() + 1, accept.size()));
    offer one;
    one.type = media_type(element);
    auto rest = element.substr(std::min(element.find(';'), element.size()));
    while (!rest.empty()) {
      rest.remove_prefix(1);
      auto part = trimmed(rest.substr(0, rest.find(';')));
      rest.remove_prefix(std::min(rest.find(';'), rest.size()));
      auto sign = part.find('=');
      if (sign == std::string_view::npos) continue;
      auto key = part.substr(0, sign), value = part.substr(sign + 1);
      if (key == "as") one.as = value;
      else if (key == "g") one.group = value;
      else if (key == "v") one.version = value;
      else if (key == "q") one.quality = read_quality(value);
    }
    if (!one.type.empty() && one.quality > 0) out.push_back(std::move(one));
  }
  std::ranges::stable_sort(out, std::ranges::greater(), &offer::quality);
  return out;
}

std::optional<representation> accepted(const offer& from) {
  using form = representation::form;
  representation out;
  bool as_json = from.type == "application/json" || from.type == "*/*" || from.type == "application/*";
  bool as_yaml = from.type == "application/yaml";
  if (!as_json && !as_yaml) return std::nullopt;
  out.as = as_yaml ? form::yaml : form::json;
  if (from.as.empty()) return out;
  if (as_yaml) return std::nullopt;
  if (from.has("Table", "meta.k8s.io") && (from.version == "v1" || from.version == "v1beta1")) {
    out.as = form::table;
    out.beta = from.version == "v1beta1";
    return out;
  }
  bool list = from.has("PartialObjectMetadataList", "meta.k8s.io");
  if ((list || from.has("PartialObjectMetadata", "meta.k8s.io")) && from.version == "v1") {
    out.as = form::partial_metadata;
    out.list = list;
    return out;
  }
  return std::nullopt;
}

bool wants_pretty(std::string_view user_agent, const target& asked) {
  if (asked.ask.pretty_set) return asked.ask.pretty;
  if (!asked.kind)
    if (const auto* text = find_pair(asked.query, "pretty")) return parse_bool(*text).value_or(true);
  return user_agent.starts_with("curl") || user_agent.starts_with("Wget") || user_agent.starts_with("Mozilla/5.0");
}

}  // namespace

std::variant<representation, api_error> negotiate(std::string_view accept, std::string_view user_agent,
                                                  const target& asked) {
  std::optional<representation> out;
  if (trimmed(accept).empty()) out = representation{};
  for (const auto& each : offers_of(accept)) {
    out = accepted(each);
    if (out) break;
  }
  if (!out) return not_acceptable();
  out->pretty = wants_pretty(user_agent, asked);
  out->include = asked.ask.include;
  return *out;
}

std::string_view content_type(const representation& as) {
  return as.as == representation::form::yaml ? "application/yaml" : "application/json";
}

discovery_form negotiate_discovery(std::string_view accept) {
  for (const auto& each : offers_of(accept)) {
    if (each.as.empty()) {
      if (each.type == "application/json" || each.type == "*/*") return discovery_form::legacy;
      continue;
    }
    if (each.type != "application/json" || !each.has("APIGroupDiscoveryList", "apidiscovery.k8s.io")) continue;
    if (each.version == "v2") return discovery_form::v2;
    if (each.version == "v2beta1") return discovery_form::v2beta1;
  }
  return discovery_form::legacy;
}

std::string_view content_type(discovery_form as) {
  switch (as) {
    case discovery_form::v2: return "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    case discovery_form::v2beta1: return "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    case discovery_form::legacy: return "application/json";
  }
  return "application/json";
}

}  // namespace troupe::apiserver
