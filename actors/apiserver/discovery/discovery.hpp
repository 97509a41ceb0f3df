// What the server tells about itself: groups, versions, kinds, OpenAPI, all from the schema table. Pure; documents
// that are asked for often should be kept by the caller (they change with nothing but the build).
#pragma once
#include <string>
#include <string_view>
#include <variant>

#include "actors/apiserver/status.hpp"
#include "actors/apiserver/wire/representation.hpp"

namespace troupe::apiserver {

struct build_facts {
  std::string git_version = "v1.33.0+troupe";  ///< "v1.33.0+troupe0.1.0".
  std::string server_address;                  ///< "host:port" for /api's serverAddressByClientCIDRs.
  std::string platform = "linux/amd64";
  std::string build_date = "1970-01-01T00:00:00Z";
};

struct discovery_reply {
  std::string body, content_type;
  std::string etag;           ///< Quoted; "" when the reply must not be cached.
  bool immutable = false;     ///< Cache-Control: public, immutable and Expires a year ahead.
  std::string redirect_to;    ///< Not empty: 301 to this path, no body.
};
/// Answers a GET of /, /api, /apis, /api/v1, /apis/G, /apis/G/V, /version, /openapi/v2, /openapi/v3[/...],
/// /swagger-2.0.0.pb-v1. Other paths are not ours: 404.
std::variant<discovery_reply, api_error> discover(const target& asked, std::string_view accept,
                                                  const build_facts& facts);
/// Whether discover() is the one to ask.
bool is_discovery_path(std::string_view path);

std::string version_json(const build_facts& facts);

}  // namespace troupe::apiserver
