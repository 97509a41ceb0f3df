#include "actors/apiserver/query.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace troupe::apiserver {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string syntax_fault(std::string_view function, std::string_view text) {
  return "strconv." + std::string(function) + ": parsing " + to_text(json(text)) + ": invalid syntax";
}

template <class Number>
bool read_number(std::string_view text, Number& out) {
  auto [end, why] = std::from_chars(text.data(), text.data() + text.size(), out);
  return !text.empty() && why == std::errc() && end == text.data() + text.size();
}

/// A flag as Kubernetes' conversion of query values sees it: present means true unless it says false.
bool read_flag(const query_pairs& query, std::string_view key) {
  const auto* text = find_pair(query, key);
  if (!text) return false;
  return parse_bool(*text).value_or(true);
}

std::string text_of(const query_pairs& query, std::string_view key) {
  const auto* text = find_pair(query, key);
  return text ? *text : std::string();
}

std::string_view options_kind(verb what) {
  switch (what) {
    case verb::create: return "CreateOptions";
    case verb::update: return "UpdateOptions";
    case verb::patch: return "PatchOptions";
    case verb::remove:
    case verb::remove_collection: return "DeleteOptions";
    default: return "ListOptions";
  }
}

std::optional<api_error> read_selectors(const query_pairs& query, const schema::kind& kind, options& out) {
  auto labels = model::parse_label_selector(text_of(query, "labelSelector"));
  if (!labels) return bad_request(labels.why().note);
  auto fields = model::parse_field_selector(kind, text_of(query, "fieldSelector"));
  if (!fields) return bad_request(fields.why().note);
  out.labels = std::move(*labels);
  out.fields = std::move(*fields);
  return {};
}

std::optional<api_error> read_numbers(const query_pairs& query, options& out) {
  auto limit = text_of(query, "limit");
  std::int64_t number = 0;
  if (!limit.empty() && !read_number(limit, number)) return bad_request(syntax_fault("ParseInt", limit));
  out.limit = number > 0 ? static_cast<std::uint64_t>(number) : 0;
  auto seconds = text_of(query, "timeoutSeconds");
  if (!seconds.empty()) {
    if (!read_number(seconds, number)) return bad_request(syntax_fault("ParseInt", seconds));
    constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
    if (number > 0) out.timeout_s = static_cast<std::uint32_t>(std::min(number, most));
  }
  auto version = text_of(query, "resourceVersion");
  if (!version.empty()) {
    if (!read_number(version, number) || number < 0)
      return bad_request("Invalid value: " + to_text(json(version)) + ": " + syntax_fault("ParseUint", version));
    out.resource_version = number;
  }
  auto grace = text_of(query, "gracePeriodSeconds");
  if (!grace.empty()) {
    if (!read_number(grace, number)) return bad_request(syntax_fault("ParseInt", grace));
    out.grace_s = number;
  }
  return {};
}

std::optional<api_error> read_match(const query_pairs& query, options& out) {
  auto match = text_of(query, "resourceVersionMatch");
  constexpr auto field = "resourceVersionMatch";
  std::vector<cause> causes;
  if (match == "Exact") out.match = version_match::exact;
  if (match == "NotOlderThan") out.match = version_match::not_older_than;
  if (out.initial_events) {
    if (!out.watch) causes.push_back(forbidden_value("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    if (out.match != version_match::not_older_than)
      causes.push_back(
          forbidden_value(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
  } else if (!match.empty()) {
    if (out.watch) causes.push_back(forbidden_value(field, "resourceVersionMatch is forbidden for watch"));
    if (!out.resource_version)
      causes.push_back(forbidden_value(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
    if (!out.continue_token.empty())
      causes.push_back(forbidden_value(field, "resourceVersionMatch is forbidden when continue is provided"));
    if (out.match == version_match::unset) causes.push_back(not_supported(field, match, {"Exact", "NotOlderThan", ""}));
    if (out.match == version_match::exact && out.resource_version == 0)
      causes.push_back(forbidden_value(field, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
  }
  if (!causes.empty()) return invalid_options("ListOptions", causes);
  if (!out.continue_token.empty() && out.resource_version.value_or(0) != 0)
    return bad_request("specifying resource version is not allowed when using continue");
  return {};
}

std::optional<api_error> read_write_options(const query_pairs& query, verb what, options& out) {
  std::vector<cause> causes;
  for (const auto& [key, value] : query) {
    if (key != "dryRun" || value.empty()) continue;
    if (value == "All") out.dry_run = true;
    else causes.push_back(not_supported("dryRun", json::array({value}), {"All"}));
  }
  out.field_manager = text_of(query, "fieldManager");
  if (out.field_manager.size() > 128)
    causes.push_back(too_long_value("fieldManager", "may not be more than 128 bytes"));
  bool printable =
      std::ranges::all_of(out.field_manager, [](char c) { return static_cast<unsigned char>(c) >= 32 && c != 127; });
  if (!printable)
    causes.push_back(invalid_value("fieldManager", out.field_manager, "should only contain printable characters"));
  auto validation = text_of(query, "fieldValidation");
  if (validation == "Strict") out.validation = field_validation::strict;
  else if (validation == "Ignore") out.validation = field_validation::ignore;
  else if (!validation.empty() && validation != "Warn")
    causes.push_back(not_supported("fieldValidation", validation, {"Ignore", "Warn", "Strict"}));
  out.force_set = find_pair(query, "force") != nullptr;
  out.force = read_flag(query, "force");
  out.propagation = text_of(query, "propagationPolicy");
  if (find_pair(query, "orphanDependents")) out.orphan_dependents = read_flag(query, "orphanDependents");
  if (causes.empty()) return {};
  return invalid_options(options_kind(what), causes);
}

}  // namespace

std::optional<std::string> unescape(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return std::nullopt;
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_space ? ' ' : text[i];
    }
  }
  return out;
}

query_pairs parse_query(std::string_view query) {
  query_pairs out;
  while (!query.empty()) {
    auto end = std::min(query.find('&'), query.size());
    auto part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    // As Go since 1.17: a pair with a semicolon is dropped.
    if (part.empty() || part.find(';') != std::string_view::npos) continue;
    auto sign = std::min(part.find('='), part.size());
    auto key = unescape(part.substr(0, sign), true);
    auto value = unescape(part.substr(std::min(sign + 1, part.size())), true);
    if (key && value) out.emplace_back(std::move(*key), std::move(*value));
  }
  return out;
}

const std::string* find_pair(const query_pairs& query, std::string_view key) {
  for (const auto& [name, value] : query)
    if (name == key) return &value;
  return nullptr;
}

std::optional<bool> parse_bool(std::string_view text) {
  for (auto yes : {"1", "t", "T", "TRUE", "true", "True"})
    if (text == yes) return true;
  for (auto no : {"0", "f", "F", "FALSE", "false", "False"})
    if (text == no) return false;
  return std::nullopt;
}

std::optional<api_error> read_options(const query_pairs& query, verb what, const schema::kind& kind, options& out) {
  out.watch = what == verb::watch;
  out.bookmarks = read_flag(query, "allowWatchBookmarks");
  out.initial_events = read_flag(query, "sendInitialEvents");
  out.bound = read_flag(query, "bound");
  out.pretty_set = find_pair(query, "pretty") != nullptr;
  out.pretty = read_flag(query, "pretty");
  out.continue_token = text_of(query, "continue");
  auto include = text_of(query, "includeObject");
  if (include == "None") out.include = include_object::none;
  else if (include == "Object") out.include = include_object::object;
  else if (!include.empty() && include != "Metadata")
    return bad_request("includeObject: unsupported value " + to_text(json(include)));
  if (auto why = read_numbers(query, out)) return why;
  bool listing = what == verb::list || what == verb::watch || what == verb::remove_collection;
  if (listing) {
    if (auto why = read_selectors(query, kind, out)) return why;
    if (auto why = read_match(query, out)) return why;
  }
  return read_write_options(query, what, out);
}

}  // namespace troupe::apiserver
