#include "actors/model/selector.hpp"

#include <algorithm>
#include <charconv>

namespace troupe::model {
namespace {

bool as_number(std::string_view text, std::int64_t& out) {
  auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), out);
  return fault == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool holds(const label_selector::term& term, std::string_view value) {
  using test = label_selector::test;
  bool present = value.data() != nullptr;
  std::int64_t number = 0;
  switch (term.how) {
    case test::exists: return present;
    case test::absent: return !present;
    case test::in: return present && std::ranges::binary_search(term.values, value);
    case test::not_in: return !present || !std::ranges::binary_search(term.values, value);
    case test::greater: return present && as_number(value, number) && number > term.bound;
    case test::less: return present && as_number(value, number) && number < term.bound;
  }
  return false;
}

std::string_view value_of(const field_selector::term& term, const document& item) {
  switch (term.what) {
    case field_selector::subject::name: return item.name();
    case field_selector::subject::ns: return item.ns();
    case field_selector::subject::selectable: return item.selectable(term.index);
  }
  return {};
}

}  // namespace

bool label_selector::matches(const document& item) const {
  return std::ranges::all_of(terms, [&](const term& each) { return holds(each, item.find_label(each.key)); });
}

bool field_selector::matches(const document& item) const {
  return std::ranges::all_of(
      terms, [&](const term& each) { return (value_of(each, item) == each.value) == each.equal; });
}

std::string_view field_selector::required_name() const {
  for (const auto& each : terms)
    if (each.what == subject::name && each.equal) return each.value;
  return {};
}

std::string_view field_selector::required(std::string_view label) const {
  for (const auto& each : terms)
    if (each.equal && each.label == label) return each.value.empty() ? std::string_view("") : each.value;
  return {};
}

}  // namespace troupe::model
