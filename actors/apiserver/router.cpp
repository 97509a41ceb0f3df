#include "actors/apiserver/router.hpp"

#include <algorithm>

#include "actors/apiserver/query.hpp"

namespace troupe::apiserver {
namespace {

/// The segments of a path: as sent, and unescaped.
struct segments {
  std::vector<std::string_view> raw;
  std::vector<std::string> plain;
  std::size_t size() const { return plain.size(); }
};

/// Nothing when an escape is broken or a segment could climb.
std::optional<segments> split(std::string_view path) {
  segments out;
  while (!path.empty()) {
    path.remove_prefix(1);
    auto part = path.substr(0, std::min(path.find('/'), path.size()));
    path.remove_prefix(part.size());
    auto plain = unescape(part, false);
    if (!plain || *plain == "." || *plain == "..") return std::nullopt;
    for (char c : *plain)
      if (static_cast<unsigned char>(c) < 32 || c == 127) return std::nullopt;
    out.raw.push_back(part);
    out.plain.push_back(std::move(*plain));
  }
  return out;
}

/// An escaped slash would make another path of it; only what a proxy passes on may have some.
bool hides_a_slash(const segments& parts, std::size_t count) {
  return std::any_of(parts.plain.begin(), parts.plain.begin() + static_cast<std::ptrdiff_t>(count),
                     [](const auto& part) { return part.find('/') != std::string::npos; });
}

std::optional<verb> verb_of(std::string_view method, bool collection, bool watching) {
  if (method == "GET" || method == "HEAD") return watching ? verb::watch : collection ? verb::list : verb::get;
  if (method == "POST") return verb::create;
  if (method == "PUT") return verb::update;
  if (method == "PATCH") return verb::patch;
  if (method == "DELETE") return collection ? verb::remove_collection : verb::remove;
  return std::nullopt;
}

std::uint16_t bit(verb what) {
  switch (what) {
    case verb::get: return schema::verb_get;
    case verb::list: return schema::verb_list;
    case verb::watch: return schema::verb_watch;
    case verb::create: return schema::verb_create;
    case verb::update: return schema::verb_update;
    case verb::patch: return schema::verb_patch;
    case verb::remove: return schema::verb_remove;
    case verb::remove_collection: return schema::verb_remove_collection;
  }
  return 0;
}

class router {
 public:
  router(std::string_view method, const segments& parts, target& out) : method_(method), parts_(parts), out_(out) {}

  /// Finds kind, namespace, name and subresource; an error, or nothing when `out_` is complete but for its options.
  std::optional<api_error> find(std::string_view group, std::string_view version, std::size_t at) {
    if (at < parts_.size() && parts_.plain[at] == "watch") legacy_watch_ = true, ++at;
    bool in_namespace = false;
    if (left(at) >= 3 && parts_.plain[at] == "namespaces" && !is_namespace_part(parts_.plain[at + 2])) {
      out_.ns = parts_.plain[at + 1];
      in_namespace = true;
      at += 2;
      if (out_.ns.empty()) return no_such_path();
    }
    if (left(at) == 0) return no_such_path();
    const auto& resource = parts_.plain[at];
    out_.kind = schema::find(group, version, resource);
    if (!out_.kind || (in_namespace && !out_.kind->namespaced)) return no_such_path();
    ++at;
    if (left(at) > 0) {
      out_.name = parts_.plain[at++];
      if (out_.name.empty()) return no_such_path();
    }
    if (left(at) > 0) {
      if (auto why = find_subresource(at)) return why;
    }
    return choose_verb(in_namespace);
  }

 private:
  std::size_t left(std::size_t at) const { return at < parts_.size() ? parts_.size() - at : 0; }
  static bool is_namespace_part(std::string_view text) { return text == "status" || text == "finalize"; }

  std::optional<api_error> find_subresource(std::size_t at) {
    out_.subresource = parts_.plain[at];
    out_.sub = out_.kind->find_subresource(out_.subresource);
    if (!out_.sub) return no_such_path();
    if (out_.subresource != "proxy") return left(at) > 1 ? std::optional(no_such_path()) : std::nullopt;
    rest_from = at + 1;
    for (++at; at < parts_.size(); ++at) out_.rest.append("/").append(parts_.raw[at]);
    if (out_.rest.empty() && trailing_slash_) out_.rest.push_back('/');
    return std::nullopt;
  }

  std::optional<api_error> choose_verb(bool in_namespace) {
    bool collection = out_.name.empty();
    bool watching = legacy_watch_;
    if (collection && !legacy_watch_)
      if (const auto* asked = find_pair(out_.query, "watch")) watching = parse_bool(*asked).value_or(true);
    auto what = verb_of(method_, collection, watching && (method_ == "GET" || method_ == "HEAD"));
    if (!what) return method_not_allowed(method_, out_.kind->plural);
    out_.what = *what;
    if (out_.sub) {
      return (out_.sub->verbs & bit(*what)) == 0 ? std::optional(method_not_allowed(method_, out_.kind->plural))
                                                 : std::nullopt;
    }
    if (!out_.kind->can(bit(*what))) return method_not_allowed(method_, out_.kind->plural);
    bool everywhere = out_.kind->namespaced && !in_namespace;
    if (everywhere && !collection) return no_such_path();
    if (everywhere && *what != verb::list && *what != verb::watch)
      return method_not_allowed(method_, out_.kind->plural);
    if (!collection && *what == verb::create) return method_not_allowed(method_, out_.kind->plural);
    if (collection && (*what == verb::update || *what == verb::patch))
      return method_not_allowed(method_, out_.kind->plural);
    return std::nullopt;
  }

  std::string_view method_;
  const segments& parts_;
  target& out_;
  bool legacy_watch_ = false;

 public:
  bool trailing_slash_ = false;
  std::size_t rest_from = 0;  // Segments before it name the object; 0: all do.
};

/// A watch of one object by name, as the legacy prefix and single-object watches ask for it.
void watch_by_name(target& out) {
  model::field_selector::term term;
  term.value = out.name;
  term.label = "metadata.name";
  out.ask.fields.terms.push_back(std::move(term));
  out.name.clear();
}

}  // namespace

std::string_view to_string(verb what) {
  switch (what) {
    case verb::get: return "get";
    case verb::list: return "list";
    case verb::watch: return "watch";
    case verb::create: return "create";
    case verb::update: return "update";
    case verb::patch: return "patch";
    case verb::remove: return "delete";
    case verb::remove_collection: return "deletecollection";
  }
  return "get";
}

std::variant<target, api_error> route(std::string_view method, std::string_view path, std::string_view query) {
  if (path.empty() || path.front() != '/') return bad_request("the path must begin with a slash");
  if (path.size() + query.size() > query_bytes_max) return bad_request("the request line is too long");
  auto parts = split(path);
  if (!parts) return bad_request("the path has a broken escape, a control character or a segment that climbs");
  bool trailing = parts->size() > 1 && parts->plain.back().empty();
  if (parts->plain.back().empty()) parts->plain.pop_back(), parts->raw.pop_back();
  target out;
  out.method = method;
  out.query = parse_query(query);
  for (const auto& part : parts->plain) out.path.append("/").append(part);
  if (out.path.empty()) out.path.push_back('/');
  router find(method, *parts, out);
  find.trailing_slash_ = trailing;
  bool core = parts->size() > 2 && parts->plain[0] == "api";
  bool grouped = parts->size() > 3 && parts->plain[0] == "apis";
  constexpr auto hidden = "the path has an escaped slash";
  if (!core && !grouped) {
    if (hides_a_slash(*parts, parts->size())) return bad_request(hidden);
    out.what = verb_of(method, false, false).value_or(verb::get);
    return out;
  }
  auto why = core ? find.find("", parts->plain[1], 2) : find.find(parts->plain[1], parts->plain[2], 3);
  if (hides_a_slash(*parts, find.rest_from > 0 ? find.rest_from : parts->size())) return bad_request(hidden);
  if (why) return std::move(*why);
  if (auto bad = read_options(out.query, out.what, *out.kind, out.ask)) return std::move(*bad);
  if (out.what == verb::watch && !out.name.empty()) watch_by_name(out);
  return out;
}

std::optional<proxy_name> split_proxy_name(std::string_view text) {
  proxy_name out;
  auto first = text.find(':'), last = text.rfind(':');
  if (first == std::string_view::npos) {
    out.name = text;
  } else if (first == last) {
    out.name = text.substr(0, first);
    out.port = text.substr(first + 1);
  } else {
    out.scheme = text.substr(0, first);
    out.name = text.substr(first + 1, last - first - 1);
    out.port = text.substr(last + 1);
  }
  bool known_scheme = out.scheme.empty() || out.scheme == "http" || out.scheme == "https";
  if (out.name.empty() || !known_scheme || out.name.find(':') != std::string::npos) return std::nullopt;
  return out;
}

}  // namespace troupe::apiserver
