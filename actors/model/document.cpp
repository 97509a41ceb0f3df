#include "actors/model/document.hpp"

#include <algorithm>
#include <limits>

#include "actors/model/scan.hpp"
#include "basis/check.hpp"

namespace troupe::model {
namespace {

constexpr std::string_view version_key = "resourceVersion";

/// A path that is wanted out of the object, and the slot its value goes to.
struct wanted {
  std::string_view path;
  std::size_t slot;
  std::size_t rank;  // Alternatives: the lowest rank with a value counts.
};

std::vector<wanted> wanted_of(const schema::kind& kind) {
  std::vector<wanted> out;
  for (std::size_t slot = 0; slot < kind.selectables.size(); ++slot) {
    auto rest = kind.selectables[slot].path;
    for (std::size_t rank = 0; !rest.empty(); ++rank) {
      auto bar = rest.find('|');
      out.push_back({rest.substr(0, bar), slot, rank});
      rest = bar == std::string_view::npos ? std::string_view() : rest.substr(bar + 1);
    }
  }
  return out;
}

/// The alternative "=TEXT" of a path: what stands for a value that is absent.
std::string_view stand_in(std::string_view path) {
  const auto at = path.find("|=");
  return at == std::string_view::npos ? std::string_view() : path.substr(at + 2);
}

struct found_value {
  std::string_view raw;  // JSON text, with quotes when it is a string
  std::size_t rank = std::numeric_limits<std::size_t>::max();
};

/// Collects scalar values of wanted paths out of the object at `scan`.
void collect(json_scan& scan, const std::vector<wanted>& list, std::vector<found_value>& out) {
  if (!scan.open()) return;
  std::string_view key;
  std::vector<wanted> inner;
  while (scan.member(key)) {
    inner.clear();
    for (const auto& want : list) {
      if (!want.path.starts_with(key)) continue;
      if (want.path.size() == key.size()) {
        inner.push_back({{}, want.slot, want.rank});
      } else if (want.path[key.size()] == '.') {
        inner.push_back({want.path.substr(key.size() + 1), want.slot, want.rank});
      }
    }
    auto raw = scan.value();
    if (inner.empty() || raw.empty() || raw == "\"\"" || raw == "null") continue;
    if (raw.front() == '{') {
      json_scan nested(raw);
      collect(nested, inner, out);
    } else if (raw.front() != '[') {
      for (const auto& want : inner)
        if (want.path.empty() && want.rank < out[want.slot].rank) out[want.slot] = {raw, want.rank};
    }
  }
}

}  // namespace

struct document_maker {
  document& doc;
  std::string tail;  // Unescaped values; `text` must not move while views into it are held.

  using place = document::place;

  /// Writes doc.text_ with the revision spliced into metadata, in the order of keys.
  bool publish(std::string_view stored) {
    json_scan top(stored);
    if (!top.open()) return false;
    std::string_view key;
    while (top.member(key)) {
      if (key != "metadata") {
        top.value();
        continue;
      }
      auto begin = top.place();
      auto metadata = top.value();
      if (metadata.empty() || metadata.front() != '{') return false;
      splice(stored, begin, metadata);
      while (top.member(key)) top.value();
      return !top.bad() && top.place() == stored.size();
    }
    return false;
  }

  void splice(std::string_view stored, std::size_t begin, std::string_view metadata) {
    json_scan scan(metadata);
    scan.open();
    std::string_view key;
    std::size_t insert_at = 0, cut_from = 0, cut_to = 0, last_end = 1;
    while (scan.member(key)) {
      auto key_at = static_cast<std::size_t>(key.data() - metadata.data()) - 1;
      scan.value();
      auto end = scan.place();
      if (key == version_key) {
        // Cut with the comma that follows, or else with the one before.
        bool followed = end < metadata.size() && metadata[end] == ',';
        cut_from = followed ? key_at : (last_end > 1 ? last_end : key_at);
        cut_to = followed ? end + 1 : end;
      } else if (insert_at == 0 && key > version_key) {
        insert_at = key_at;
      }
      last_end = end;
    }
    std::string member;
    if (doc.modified_ > 0) member = "\"resourceVersion\":\"" + std::to_string(doc.modified_) + "\"";
    auto head = stored.substr(0, begin), rest = stored.substr(begin + metadata.size());
    std::string kept(metadata);
    if (cut_to > 0) {
      kept.erase(cut_from, cut_to - cut_from);
      if (insert_at > cut_from) insert_at -= cut_to - cut_from;
    }
    if (!member.empty() && insert_at > 0) {
      kept.insert(insert_at, member + ",");
    } else if (!member.empty()) {
      insert_at = kept.size() - 1;
      bool alone = kept.find('"') == std::string::npos;
      kept.insert(insert_at, (alone ? "" : ",") + member);
    }
    doc.text_.reserve(head.size() + kept.size() + rest.size());
    doc.text_.append(head).append(kept).append(rest);
    doc.size_ = static_cast<std::uint32_t>(doc.text_.size());
  }

  /// The place of a scalar's value; escapes are resolved into the tail.
  place value_place(std::string_view raw) {
    if (raw.empty()) return {};
    if (raw.front() != '"') return span_place(raw);
    auto inner = raw.substr(1, raw.size() - 2);
    if (inner.find('\\') == std::string_view::npos) return span_place(inner);
    return add(unquote(raw));
  }
  place key_place(std::string_view key) {
    if (key.find('\\') == std::string_view::npos) return span_place(key);
    return add(unquote("\"" + std::string(key) + "\""));
  }
  place span_place(std::string_view part) {
    return {static_cast<std::uint32_t>(part.data() - doc.text_.data()), static_cast<std::uint32_t>(part.size())};
  }
  place add(std::string_view text) {
    place out{static_cast<std::uint32_t>(doc.size_ + tail.size()), static_cast<std::uint32_t>(text.size())};
    tail.append(text);
    return out;
  }
  std::string_view view(place where) const {
    return where.at < doc.size_ ? std::string_view(doc.text_).substr(where.at, where.size)
                                : std::string_view(tail).substr(where.at - doc.size_, where.size);
  }

  void read_metadata(std::string_view raw) {
    json_scan scan(raw);
    scan.open();
    std::string_view key;
    while (scan.member(key)) {
      auto value = scan.value();
      if (key == "name") doc.name_ = value_place(value);
      else if (key == "namespace") doc.namespace_ = value_place(value);
      else if (key == "uid") doc.uid_ = value_place(value);
      else if (key == version_key) doc.version_ = span_place(value);
      else if (key == "deletionTimestamp") doc.deleting_ = value != "null";
      else if (key == "finalizers") doc.finalizers_ = value.size() > 2;
      else if (key == "labels") read_labels(value);
    }
  }

  void read_labels(std::string_view raw) {
    std::vector<std::pair<place, place>> all;
    json_scan scan(raw);
    if (!scan.open()) return;
    std::string_view key;
    while (scan.member(key)) {
      auto value = scan.value();
      if (all.size() < std::numeric_limits<std::uint16_t>::max()) all.emplace_back(key_place(key), value_place(value));
    }
    std::ranges::sort(all, {}, [this](const auto& pair) { return view(pair.first); });
    doc.labels_ = static_cast<std::uint16_t>(all.size());
    for (const auto& [name, value] : all) doc.places_.insert(doc.places_.end(), {name, value});
  }

  void read_selectables(const schema::kind& kind) {
    if (kind.selectables.empty()) return;
    std::vector<found_value> values(kind.selectables.size());
    json_scan scan(std::string_view(doc.text_));
    collect(scan, wanted_of(kind), values);
    for (std::size_t slot = 0; slot < values.size(); ++slot) {
      const bool absent = values[slot].raw.empty();
      const auto otherwise = kind.selectables[slot].boolean ? "false" : stand_in(kind.selectables[slot].path);
      doc.places_.push_back(absent && !otherwise.empty() ? add(otherwise) : value_place(values[slot].raw));
    }
  }

  bool make(const schema::kind& kind, std::string_view stored, revision_number created, revision_number modified) {
    doc.kind_ = kind.index;
    doc.created_ = created;
    doc.modified_ = modified;
    return publish(stored) && extract(kind);
  }

  bool extract(const schema::kind& kind) {
    json_scan top(std::string_view(doc.text_));
    top.open();
    std::string_view key;
    while (top.member(key)) {
      auto value = top.value();
      if (key == "metadata") read_metadata(value);
    }
    if (top.bad() || doc.name_.size == 0) return false;
    read_selectables(kind);
    auto name = view(doc.name_), ns = view(doc.namespace_);
    doc.key_ = kind.namespaced ? add(std::string(ns).append("/").append(name)) : doc.name_;
    doc.text_.append(tail);
    doc.text_.shrink_to_fit();
    doc.places_.shrink_to_fit();
    return true;
  }
};

const schema::kind& document::kind() const { return schema::kinds()[kind_]; }

std::string_view document::find_label(std::string_view key) const {
  std::size_t low = 0, high = labels_;
  while (low < high) {
    auto middle = (low + high) / 2;
    auto [name, value] = label(middle);
    if (name == key) return value.data() ? value : std::string_view("");
    if (name < key) low = middle + 1;
    else high = middle;
  }
  return {};
}

std::string document::stored() const {
  if (version_.size == 0) return std::string(text());
  // The member as splice() wrote it, and one comma next to it.
  std::string out(text());
  std::size_t begin = version_.at - version_key.size() - std::string_view("\"\":").size();
  std::size_t end = version_.at + version_.size;
  if (end < out.size() && out[end] == ',') ++end;
  else if (begin > 0 && out[begin - 1] == ',') --begin;
  out.erase(begin, end - begin);
  return out;
}

result<document_ptr> make_document(const schema::kind& kind, std::string_view stored, revision_number created,
                                   revision_number modified) {
  const auto& form = schema::kinds()[kind.storage];
  if (stored.size() > std::numeric_limits<std::uint32_t>::max() / 4) return {errc::too_large, "document of 1 GiB"};
  auto made = std::make_shared<document>();
  document_maker maker{*made, {}};
  if (!maker.make(form, stored, created, modified)) return {errc::corrupt, "stored object is no JSON object"};
  return document_ptr(std::move(made));
}

document_ptr with_revision(const document& from, revision_number modified) {
  auto made = make_document(from.kind(), from.text(), from.created(), modified);
  CHECK_THAT(made.ok());
  return *made;
}

bool is_bound(const document& of) {
  return of.deleting() || of.has_finalizers() || of.text().find("\"ownerReferences\"") != std::string_view::npos;
}

json parse(const document& from) {
  auto value = parse_json(from.text());
  return value ? std::move(*value) : json();
}

std::string text_as(const document& from, const schema::kind& served) {
  if (served.index == from.kind().index) return std::string(from.text());
  std::string out = "{";
  json_scan scan(from.text());
  scan.open();
  std::string_view key;
  while (scan.member(key)) {
    if (out.size() > 1) out += ',';
    auto value = scan.value();
    auto shown = key;
    for (std::size_t i = 0; i + 1 < served.renames.size(); i += 2)
      if (served.renames[i + 1] == key) shown = served.renames[i];
    out.append("\"").append(shown).append("\":");
    if (key == "apiVersion") out.append("\"").append(served.api_version).append("\"");
    else out.append(value);
  }
  return out += '}';
}

void rename_to_stored(json& object, const schema::kind& served) {
  if (served.index == served.storage || !object.is_object()) return;
  json out = json::object();
  for (auto& [key, value] : object.items()) {
    std::string name = key;
    for (std::size_t i = 0; i + 1 < served.renames.size(); i += 2)
      if (served.renames[i] == key) name = served.renames[i + 1];
    out[name] = std::move(value);
  }
  out["apiVersion"] = schema::kinds()[served.storage].api_version;
  object = std::move(out);
}

void rename_from_stored(json& object, const schema::kind& served) {
  if (served.index == served.storage || !object.is_object()) return;
  json out = json::object();
  for (auto& [key, value] : object.items()) {
    std::string name = key;
    for (std::size_t i = 0; i + 1 < served.renames.size(); i += 2)
      if (served.renames[i + 1] == key) name = served.renames[i];
    out[name] = std::move(value);
  }
  out["apiVersion"] = served.api_version;
  object = std::move(out);
}

}  // namespace troupe::model
