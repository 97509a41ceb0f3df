#include "actors/apiserver/wire/render.hpp"

#include <algorithm>

#include "actors/apiserver/wire/table.hpp"
#include "actors/model/scan.hpp"
#include "basis/bytes.hpp"
#include "basis/yaml.hpp"

namespace troupe::apiserver {
namespace {

using form = representation::form;

std::string text_for(const rendering& how, const model::document& item) { return model::text_as(item, *how.served); }

std::string in_quotes(std::string_view text) { return to_text(json(text)); }

std::string_view table_version(const representation& as) { return as.beta ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1"; }

/// The raw metadata of a document's text.
std::string_view metadata_of(std::string_view text) {
  model::json_scan scan(text);
  scan.open();
  std::string_view key;
  while (scan.member(key)) {
    auto value = scan.value();
    if (key == "metadata") return value;
  }
  return "{}";
}

std::string partial(const model::document& item) {
  return std::string(R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":)")
      .append(metadata_of(item.text()))
      .append("}");
}

/// What the client asked about spaces: as it is, indented, or YAML.
std::string dressed(const rendering& how, std::string text) {
  if (how.as.as != form::yaml && !how.as.pretty) return text;
  auto value = parse_json(text);
  if (!value) return text;
  return how.as.as == form::yaml ? to_yaml(*value) : value->dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string list_metadata(const page& what) {
  std::string out = "{\"resourceVersion\":\"" + std::to_string(what.revision) + "\"";
  if (!what.continue_token.empty()) out.append(",\"continue\":").append(in_quotes(what.continue_token));
  if (what.remaining) out.append(",\"remainingItemCount\":").append(std::to_string(*what.remaining));
  return out += "}";
}

std::string table_of(const rendering& how, const model::document& item, bool columns) {
  std::string out = "{\"kind\":\"Table\",\"apiVersion\":\"";
  out.append(table_version(how.as)).append("\",\"metadata\":{\"resourceVersion\":\"");
  out.append(std::to_string(item.modified())).append("\"},\"columnDefinitions\":");
  out.append(columns ? column_definitions(*how.served) : "null").append(",\"rows\":[");
  return out.append(table_row(how, item)).append("]}");
}

std::string_view name_of(event_type type) {
  switch (type) {
    case event_type::added: return "ADDED";
    case event_type::modified: return "MODIFIED";
    case event_type::deleted: return "DELETED";
    case event_type::bookmark: return "BOOKMARK";
    case event_type::error: return "ERROR";
  }
  return "ERROR";
}

std::string event_line(event_type type, std::string_view object) {
  std::string out;
  out.reserve(object.size() + 32);
  out.append("{\"type\":\"").append(name_of(type)).append("\",\"object\":").append(object).append("}\n");
  return out;
}

}  // namespace

std::string render_object(const rendering& how, const model::document& item) {
  switch (how.as.as) {
    case form::table: return dressed(how, table_of(how, item, true));
    case form::partial_metadata: return dressed(how, partial(item));
    case form::json:
    case form::yaml: return dressed(how, text_for(how, item));
  }
  return {};
}

std::string render_value(const rendering& how, const json& value) { return dressed(how, to_text(value)); }

page select_page(const model::snapshot& from, std::int64_t revision, const schema::kind& kind, std::string_view ns,
                 const options& ask, std::string_view start) {
  page out;
  out.revision = revision;
  std::string prefix = kind.namespaced && !ns.empty() ? std::string(ns) + "/" : std::string();
  std::string first = std::max(prefix, std::string(start));
  std::string last;
  bool more = false;
  from.each(first, [&](const model::document_ptr& each) {
    if (!each->key().starts_with(prefix)) return false;
    if (!ask.fields.matches(*each) || !ask.labels.matches(*each) || (ask.bound && !model::is_bound(*each))) return true;
    if (ask.limit != 0 && out.items.size() >= ask.limit) {
      more = true;
      last = each->key();
      return false;
    }
    out.items.push_back(each);
    return true;
  });
  if (!more) return out;
  out.continue_token = encode_mark({revision, last});
  if (ask.labels.empty() && ask.fields.empty() && !ask.bound) {
    // What follows "ns/" in the order of bytes is "ns0".
    auto end = prefix.empty() ? from.size() : from.rank(prefix.substr(0, prefix.size() - 1) + "0");
    out.remaining = end - from.rank(last);
  }
  return out;
}

std::string encode_mark(const page_mark& mark) {
  json value = {{"v", "meta.k8s.io/v1"}, {"start", mark.start}};
  value["rv"] = mark.revision;
  auto text = to_base64(to_text(value));
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  text.erase(text.find_last_not_of('=') + 1);
  return text;
}

std::optional<page_mark> decode_mark(std::string_view token) {
  constexpr std::size_t token_bytes_max = 4096;
  if (token.empty() || token.size() > token_bytes_max) return std::nullopt;
  std::string text(token), raw;
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.size() % 4 != 0) text += '=';
  if (!from_base64(text, raw)) return std::nullopt;
  auto value = parse_json(raw);
  if (!value || dig(*value, "v") != "meta.k8s.io/v1" || !dig(*value, "start").is_string() ||
      !dig(*value, "rv").is_number_integer())
    return std::nullopt;
  page_mark out{(*value)["rv"].get<std::int64_t>(), (*value)["start"].get<std::string>()};
  if (out.revision < 0 || out.start.empty()) return std::nullopt;
  return out;
}

list_writer::list_writer(rendering how, page what) : how_(how), page_(std::move(what)) {}

void list_writer::open(std::string& out) {
  if (how_.as.as == form::table) {
    out.append("{\"kind\":\"Table\",\"apiVersion\":\"").append(table_version(how_.as));
    out.append("\",\"metadata\":").append(list_metadata(page_)).append(",\"columnDefinitions\":");
    out.append(column_definitions(*how_.served)).append(",\"rows\":[");
    return;
  }
  bool partial_list = how_.as.as == form::partial_metadata;
  out.append("{\"kind\":\"").append(partial_list ? "PartialObjectMetadataList" : how_.served->list_kind);
  out.append("\",\"apiVersion\":\"").append(partial_list ? "meta.k8s.io/v1" : how_.served->api_version);
  out.append("\",\"metadata\":").append(list_metadata(page_)).append(",\"items\":[");
}

void list_writer::item(std::string& out, const model::document& what) {
  if (at_ > 0) out += ',';
  if (how_.as.as == form::table) out.append(table_row(how_, what));
  else if (how_.as.as == form::partial_metadata) out.append(partial(what));
  else if (how_.served->index == what.kind().index) out.append(what.text());
  else out.append(text_for(how_, what));
}

void list_writer::close(std::string& out) {
  out.append("]}");
  closed_ = true;
}

bool list_writer::next(std::string& out, std::size_t soft_bytes) {
  if (closed_) return false;
  // Indented and YAML lists cannot be made in pieces.
  bool whole = how_.as.pretty || how_.as.as == form::yaml;
  auto begin = out.size();
  if (!opened_) open(out), opened_ = true;
  while (at_ < page_.items.size()) {
    item(out, *page_.items[at_]);
    page_.items[at_++].reset();
    if (!whole && out.size() - begin >= soft_bytes) break;
  }
  if (at_ == page_.items.size()) close(out);
  if (whole) out.replace(begin, std::string::npos, dressed(how_, out.substr(begin)));
  return !closed_;
}

std::string render_list(const rendering& how, page what) {
  std::string out;
  list_writer writer(how, std::move(what));
  while (writer.next(out, std::string::npos)) {
  }
  return out;
}

std::string render_watch_event(const rendering& how, event_type type, const model::document& item, bool first) {
  switch (how.as.as) {
    case form::table: return event_line(type, table_of(how, item, first));
    case form::partial_metadata: return event_line(type, partial(item));
    case form::json:
    case form::yaml: break;
  }
  if (how.served->index == item.kind().index) return event_line(type, item.text());
  return event_line(type, text_for(how, item));
}

std::string render_bookmark(const rendering& how, std::int64_t revision, bool initial_end, bool) {
  bool metadata_only = how.as.as == form::partial_metadata;
  std::string out = "{\"kind\":\"";
  out.append(metadata_only ? "PartialObjectMetadata" : how.served->name).append("\",\"apiVersion\":\"");
  out.append(metadata_only ? "meta.k8s.io/v1" : how.served->api_version)
      .append("\",\"metadata\":{\"resourceVersion\":\"");
  out.append(std::to_string(revision)).append("\",\"creationTimestamp\":null");
  if (initial_end) out.append(R"(,"annotations":{"k8s.io/initial-events-end":"true"})");
  return event_line(event_type::bookmark, out.append("}}"));
}

std::string render_watch_error(const api_error& why) { return event_line(event_type::error, status_json(why)); }

}  // namespace troupe::apiserver
