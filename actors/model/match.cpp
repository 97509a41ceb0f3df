#include "actors/model/match.hpp"

#include <algorithm>

#include "actors/model/selector.hpp"

namespace troupe::model {
namespace {

using test = label_match::test;

bool read_operator(const std::string& word, test& out) {
  if (word == "In") out = test::in;
  else if (word == "NotIn") out = test::not_in;
  else if (word == "Exists") out = test::exists;
  else if (word == "DoesNotExist") out = test::absent;
  else return false;
  return true;
}

std::string joined(const std::vector<std::string>& values) {
  std::string out;
  for (const auto& each : values) out.append(out.empty() ? "" : ",").append(each);
  return out;
}

}  // namespace

label_match label_match::of(const json& selector) {
  label_match out;
  if (!selector.is_object()) {
    out.nothing_ = true;
    return out;
  }
  out = of_map(dig(selector, "matchLabels"));
  out.nothing_ = false;
  for (const auto& each : dig(selector, "matchExpressions")) {
    term one{text_or(dig(each, "key")), test::in, {}};
    if (!read_operator(text_or(dig(each, "operator")), one.how)) out.nothing_ = true;
    for (const auto& value : dig(each, "values")) one.values.push_back(text_or(value));
    std::ranges::sort(one.values);
    out.terms_.push_back(std::move(one));
  }
  std::ranges::stable_sort(out.terms_, {}, &term::key);
  return out;
}

label_match label_match::of_map(const json& labels) {
  label_match out;
  if (labels.is_object())
    for (const auto& [key, value] : labels.items()) out.terms_.push_back({key, test::in, {text_or(value)}});
  out.nothing_ = out.terms_.empty();
  return out;
}

bool label_match::matches(const json& labels) const {
  if (nothing_) return false;
  return std::ranges::all_of(terms_, [&](const term& each) {
    const auto& value = dig(labels, each.key);
    const bool has = value.is_string();
    const bool listed = has && std::ranges::binary_search(each.values, value.get_ref<const std::string&>());
    switch (each.how) {
      case test::in: return listed;
      case test::not_in: return !listed;
      case test::exists: return has;
      case test::absent: return !has;
    }
    return false;
  });
}

std::string label_match::text() const {
  std::string out;
  for (const auto& each : terms_) {
    if (!out.empty()) out += ',';
    switch (each.how) {
      case test::in:
        if (each.values.size() == 1) out.append(each.key).append("=").append(each.values[0]);
        else out.append(each.key).append(" in (").append(joined(each.values)).append(")");
        break;
      case test::not_in: out.append(each.key).append(" notin (").append(joined(each.values)).append(")"); break;
      case test::exists: out.append(each.key); break;
      case test::absent: out.append("!").append(each.key); break;
    }
  }
  return out;
}

std::string label_match_problem(const json& selector, std::string& where) {
  if (!selector.is_object()) return {};
  const auto& labels = dig(selector, "matchLabels");
  where = "matchLabels";
  for (const auto& [key, value] : labels.items()) {
    if (auto why = label_key_problem(key); !why.empty()) return why;
    if (auto why = label_value_problem(text_or(value)); !why.empty()) return why;
  }
  const auto& terms = dig(selector, "matchExpressions");
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const std::string at = "matchExpressions[" + std::to_string(i) + "].";
    test how{};
    where = at + "operator";
    if (!read_operator(text_or(dig(terms[i], "operator")), how)) return "not a valid selector operator";
    where = at + "values";
    const bool listed = how == test::in || how == test::not_in;
    const auto count = dig(terms[i], "values").size();
    if (listed && count == 0) return "must be specified when `operator` is 'In' or 'NotIn'";
    if (!listed && count > 0) return "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
    where = at + "key";
    if (auto why = label_key_problem(text_or(dig(terms[i], "key"))); !why.empty()) return why;
  }
  where.clear();
  return {};
}

}  // namespace troupe::model
