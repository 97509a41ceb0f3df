#include "actors/apiserver/resources/rules/subresources/guests.hpp"

#include <algorithm>
#include <set>

namespace troupe::apiserver::rules {
namespace {

constexpr const char* guests_member = "ephemeralContainers";

std::set<std::string> names_of(const json& spec, std::initializer_list<const char*> lists) {
  std::set<std::string> out;
  for (const char* list : lists)
    for (const auto& c : list_of(spec, list)) out.insert(text_or(dig(c, "name")));
  return out;
}

void check_guest(const json& guest, const std::string& at, const json& spec, causes& out) {
  const auto name = text_or(dig(guest, "name"));
  if (name.empty()) out.push_back(required_value(at + ".name"));
  else if (auto why = name_problem(name, schema::name_rule::label); !why.empty()) out.push_back(invalid_value(at + ".name", name, why));
  if (text_or(dig(guest, "image")).empty()) out.push_back(required_value(at + ".image"));
  for (const char* field : {"ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources"})
    if (const auto& value = dig(guest, field); !value.is_null() && !value.empty())
      out.push_back(forbidden_value(at + "." + field, "cannot be set for an Ephemeral Container"));
  const auto target = text_or(dig(guest, "targetContainerName"));
  if (!target.empty() && !names_of(spec, {"containers", "initContainers"}).contains(target)) out.push_back({"FieldValueNotFound", "Not found: " + to_text(json(target)), at + ".targetContainerName"});
}

}  // namespace

void keep_but_guests(const json& old, json& body) {
  json out = old;
  out["metadata"] = std::move(body["metadata"]);
  if (const auto& guests = dig(body, "spec", guests_member); guests.is_array()) out["spec"][guests_member] = guests;
  else out["spec"].erase(guests_member);
  body = std::move(out);
}

void check_guests(const json& old, const json& now, causes& out) {
  const auto& before = list_of(dig(old, "spec"), guests_member);
  const auto& after = list_of(dig(now, "spec"), guests_member);
  const std::string where = std::string("spec.") + guests_member;
  auto taken = names_of(dig(now, "spec"), {"containers", "initContainers"});
  std::size_t at = 0;
  for (const auto& guest : after) {
    const auto place = where + "[" + std::to_string(at++) + "]";
    const auto name = text_or(dig(guest, "name"));
    const auto known = std::ranges::find_if(before, [&](const json& b) { return text_or(dig(b, "name")) == name; });
    if (!name.empty() && !taken.insert(name).second) out.push_back(duplicate_value(place + ".name", name));
    if (known == before.end()) check_guest(guest, place, dig(now, "spec"), out);
    else if (*known != guest) out.push_back(forbidden_value(where, "existing ephemeral containers \"" + name + "\" may not be changed\n"));
  }
  for (const auto& guest : before) {
    const auto name = text_or(dig(guest, "name"));
    if (std::ranges::none_of(after, [&](const json& a) { return text_or(dig(a, "name")) == name; }))
      out.push_back(forbidden_value(where, "existing ephemeral containers \"" + name + "\" may not be removed\n"));
  }
}

}  // namespace troupe::apiserver::rules
