// How answers of the API are dressed as HTTP. On the net shard.
#pragma once
#include <vector>

#include "actors/apiserver/status.hpp"
#include "net/http/server.hpp"

namespace troupe::apiserver {

/// `warning` says why this may be no longer true, if so.
void respond_error(net::http::exchange& to, const api_error& why, std::string_view warning = {});
void respond_text(net::http::exchange& to, int status, std::string_view text);
void respond_body(net::http::exchange& to, int status, std::string_view content_type, std::string body,
                  const std::vector<std::string>& warnings = {});
/// What the HTTP codec itself refuses (400, 408, 413, 431, 501), dressed as a Status.
net::http::response codec_refusal(int status, const std::string& why);

}  // namespace troupe::apiserver
