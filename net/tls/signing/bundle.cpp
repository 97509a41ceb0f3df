#include "net/tls/signing/bundle.hpp"

#include <algorithm>

#include "basis/bytes.hpp"

namespace troupe::net::tls {
namespace {

constexpr std::string_view dashes = "-----";

/// The blocks whose label ends with `label`, armour included.
std::vector<std::string> blocks_of(std::string_view pem, std::string_view label) {
  constexpr std::string_view begin = "-----BEGIN ";
  std::vector<std::string> out;
  for (auto at = pem.find(begin); at != std::string_view::npos; at = pem.find(begin, at + 1)) {
    const auto name_at = at + begin.size();
    const auto name_end = pem.find(dashes, name_at);
    if (name_end == std::string_view::npos) break;
    const auto name = pem.substr(name_at, name_end - name_at);
    const auto end = "-----END " + std::string(name) + "-----";
    const auto stop = pem.find(end, name_end);
    if (stop == std::string_view::npos) break;
    if (name.ends_with(label)) out.push_back(std::string(pem.substr(at, stop + end.size() - at)) + "\n");
    at = stop;
  }
  return out;
}

/// What stands between the lines of armour, decoded where it is base64.
std::string content_of(const std::string& block) {
  const auto from = block.find('\n') + 1, to = block.rfind("\n-----END");
  auto body = block.substr(from, to - from);
  auto packed = body;
  std::erase_if(packed, [](char c) { return c == '\n' || c == '\r'; });
  std::string out;
  return from_base64(packed, out) ? out : body;
}

}  // namespace

std::vector<std::string> certificates_of(std::string_view pem) { return blocks_of(pem, "CERTIFICATE"); }

std::vector<secret_text> keys_of(const secret_text& pem) {
  std::vector<secret_text> out;
  for (auto& one : blocks_of(pem.reveal(), "PRIVATE KEY")) out.emplace_back(std::move(one));
  return out;
}

bool leads_to(issuer& with, const std::string& one, const std::vector<std::string>& through, const std::vector<std::string>& goals) {
  std::vector<std::string> open{one}, seen;
  while (!open.empty() && seen.size() <= 2 * bundle_certificates_max) {
    const auto at = std::move(open.back());
    open.pop_back();
    if (std::ranges::find(seen, at) != seen.end()) continue;
    if (std::ranges::find(goals, at) != goals.end()) return true;
    if (std::ranges::any_of(goals, [&](const auto& goal) { return with.is_signed_by(at, goal); })) return true;
    for (const auto& next : through)
      if (with.is_signed_by(at, next)) open.push_back(next);
    seen.push_back(at);
  }
  return false;
}

std::string pinned_certificate(issuer& with, std::string_view bundle, std::string_view digest) {
  if (digest.empty()) return {};
  auto all = certificates_of(bundle);
  if (all.size() > bundle_certificates_max) all.resize(bundle_certificates_max);
  for (const auto& one : all)
    if (to_hex(with.sha256(one)) == digest || to_hex(with.sha256(content_of(one))) == digest) return one;
  return {};
}

}  // namespace troupe::net::tls
