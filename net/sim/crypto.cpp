#include "net/sim/crypto.hpp"

#include <openssl/evp.h>

#include <algorithm>

#include "basis/bytes.hpp"
#include "basis/ids.hpp"

namespace troupe::net::sim {

std::string digest(std::string_view data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(data.data(), data.size(), out, &size, EVP_sha256(), nullptr);
  return std::string(reinterpret_cast<char*>(out), size);
}

std::string key_book::enter(const std::string& secret) {
  auto public_half = to_hex(digest("public " + secret));
  secrets_[public_half] = secret;
  return public_half;
}

std::string key_book::sign(const std::string& secret, std::string_view text) {
  return to_hex(digest("sign " + secret + " " + std::string(text)));
}

bool key_book::verify(const std::string& public_half, std::string_view text, const std::string& signature) const {
  const auto found = secrets_.find(public_half);
  return found != secrets_.end() && sign(found->second, text) == signature;
}

std::string armoured(std::string_view label, const json& content) {
  return "-----BEGIN " + std::string(label) + "-----\n" + to_text(content) + "\n-----END " + std::string(label) + "-----\n";
}

std::vector<json> blocks(std::string_view pem, std::string_view label) {
  const std::string begin = "-----BEGIN " + std::string(label) + "-----\n", end = "\n-----END " + std::string(label) + "-----";
  std::vector<json> out;
  for (std::size_t at = pem.find(begin); at != std::string_view::npos; at = pem.find(begin, at)) {
    at += begin.size();
    const auto stop = pem.find(end, at);
    if (stop == std::string_view::npos) return {};
    auto read = parse_json(pem.substr(at, stop - at));
    if (!read || !read->is_object()) return {};
    out.push_back(std::move(*read));
    at = stop;
  }
  return out;
}

std::string signed_part(json certificate) {
  certificate.erase("signature");
  return to_text(certificate);
}

namespace {

bool covers(const json& leaf, std::string_view name) {
  const auto& list = dig(leaf, is_ip_address(name) ? "addresses" : "dns_names");
  return list.is_array() && std::ranges::any_of(list, [&](const json& each) { return text_or(each) == name; });
}

bool in_time(const json& certificate, wall_time now) {
  const auto from = parse_rfc3339(text_or(dig(certificate, "not_before")));
  const auto to = parse_rfc3339(text_or(dig(certificate, "not_after")));
  return from && to && now >= *from && now <= *to;
}

bool signed_by(const key_book& keys, const json& what, const json& by) {
  return dig(by, "authority") == json(true) && dig(what, "issuer") == dig(by, "public_key") &&
         keys.verify(text_or(dig(by, "public_key")), signed_part(what), text_or(dig(what, "signature")));
}

}  // namespace

std::optional<std::string> distrust(const key_book& keys, const std::vector<json>& chain, const std::vector<json>& anchors,
                                    wall_time now, std::string_view use, std::string_view name) {
  if (chain.empty()) return "there is no certificate";
  const auto& leaf = chain.front();
  if (!in_time(leaf, now)) return "certificate has expired or is not yet valid";
  const auto kind = text_or(dig(leaf, "use"));
  if (kind != "both" && kind != use) return "unsuitable certificate purpose";
  if (!name.empty() && !covers(leaf, name)) return is_ip_address(name) ? "IP address mismatch" : "hostname mismatch";
  const json* at = &leaf;
  for (std::size_t steps = 0; steps <= chain.size(); ++steps) {
    for (const auto& anchor : anchors)
      if (*at == anchor || (signed_by(keys, *at, anchor) && in_time(anchor, now))) return std::nullopt;
    const auto above = std::ranges::find_if(chain, [&](const json& each) { return &each != at && signed_by(keys, *at, each); });
    if (above == chain.end()) break;
    at = &*above;
  }
  return "unable to get local issuer certificate";
}

}  // namespace troupe::net::sim
