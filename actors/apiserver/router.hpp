// From method, path and query to what is asked of which kind. Reads as Go's server does: booleans as
// strconv.ParseBool, percent escapes, trailing slashes; refuses paths that climb. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "actors/apiserver/status.hpp"
#include "actors/model/selector.hpp"

namespace troupe::apiserver {

inline constexpr std::size_t query_bytes_max = 64 * 1024;
inline constexpr std::size_t request_body_bytes_max = 3 * 1024 * 1024;

enum class verb : std::uint8_t { get, list, watch, create, update, patch, remove, remove_collection };
/// "get" ... "delete", "deletecollection": as RBAC and messages call it.
std::string_view to_string(verb what);

enum class version_match : std::uint8_t { unset, exact, not_older_than };
enum class field_validation : std::uint8_t { ignore, warn, strict };
enum class include_object : std::uint8_t { none, metadata, object };

struct options {
  std::uint64_t limit = 0;                     ///< 0: all.
  std::string continue_token;
  model::label_selector labels;
  model::field_selector fields;
  std::optional<std::int64_t> resource_version;  ///< Absent: the latest. 0: any.
  version_match match = version_match::unset;
  bool watch = false, bookmarks = false, initial_events = false;
  bool bound = false;                          ///< Only what model::is_bound says, and of a watch every deletion: `bound=true`, ours.
  std::optional<std::uint32_t> timeout_s;
  bool dry_run = false, force = false, force_set = false, pretty = false, pretty_set = false;
  std::string field_manager;
  field_validation validation = field_validation::warn;
  include_object include = include_object::metadata;
  std::optional<std::int64_t> grace_s;         ///< DeleteOptions of the query.
  std::string propagation;
  std::optional<bool> orphan_dependents;
};

using query_pairs = std::vector<std::pair<std::string, std::string>>;
/// Splits and unescapes a query without its '?'. Bad escapes drop the pair, as Go does.
query_pairs parse_query(std::string_view query);
/// First value of that key, or null.
const std::string* find_pair(const query_pairs& query, std::string_view key);
/// Go's strconv.ParseBool, with "" false.
std::optional<bool> parse_bool(std::string_view text);

struct target {
  verb what = verb::get;
  const schema::kind* kind = nullptr;     ///< Null: not a resource, see `path`.
  const schema::subresource* sub = nullptr;
  std::string ns, name, subresource;
  std::string rest;                       ///< After a proxy subresource, with leading '/', escapes kept.
  std::string path;                       ///< The unescaped path without a trailing '/'; "/" for the root.
  std::string method;
  options ask;
  query_pairs query;                      ///< Everything that was asked, for subresources and plain paths.
};
/// `path` and `query` as on the wire. An error is ready to be sent.
std::variant<target, api_error> route(std::string_view method, std::string_view path, std::string_view query);

/// nodes/NAME/proxy: NAME may be "name", "name:port" or "scheme:name:port".
struct proxy_name {
  std::string scheme, name, port;
};
std::optional<proxy_name> split_proxy_name(std::string_view text);

}  // namespace troupe::apiserver
