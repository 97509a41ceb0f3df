#include "actors/apiserver/auth/account_tokens.hpp"

#include <algorithm>

#include "basis/bytes.hpp"

namespace troupe::apiserver {
namespace {

constexpr duration clock_skew = std::chrono::minutes(1);

std::string web_base64(std::string_view data) {
  auto out = to_base64(data);
  while (!out.empty() && out.back() == '=') out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}
bool from_web_base64(std::string_view text, std::string& out) {
  std::string plain(text);
  for (char& c : plain) {
    if (c == '+' || c == '/') return false;
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  while (plain.size() % 4 != 0) plain.push_back('=');
  return from_base64(plain, out);
}

std::int64_t seconds_of(wall_time at) { return std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count(); }
wall_time time_at(const json& seconds) {
  return seconds.is_number() ? wall_time(std::chrono::seconds(seconds.get<std::int64_t>())) : wall_time{};
}

std::vector<std::string> private_keys(std::string_view pem) {
  std::vector<std::string> out;
  constexpr std::string_view begin = "-----BEGIN ", end = "-----END ";
  for (auto from = pem.find(begin); from != std::string_view::npos; from = pem.find(begin, from + 1)) {
    const auto last = pem.find(end, from);
    if (last == std::string_view::npos) break;
    const auto over = pem.find('\n', last);
    out.emplace_back(pem.substr(from, over == std::string_view::npos ? std::string_view::npos : over + 1 - from));
  }
  return out;
}

error unbelieved(const char* why) { return {errc::unauthorized, why}; }

json reference(const std::string& name, const std::string& uid) { return {{"name", name}, {"uid", uid}}; }

}  // namespace

account_tokens::account_tokens(net::tls::issuer& with, token_config config) : with_(&with), config_(std::move(config)) {
  for (auto& one : private_keys(config_.keys.reveal())) {
    secret_text key(std::move(one));
    auto open = with.public_key_of(key);
    auto what = open.ok() ? with.describe_key(*open) : result<net::tls::web_key>(open.why());
    if (!what.ok()) continue;
    if (signing_.empty()) signing_ = std::move(key);
    const auto id = web_base64(with.sha256(*open));
    keys_.push_back({std::move(*open), id, std::move(*what)});
  }
}

bool account_tokens::looks_like_one(std::string_view token) {
  return token.size() <= token_bytes_max && std::count(token.begin(), token.end(), '.') == 2 && token.starts_with("ey");
}

result<std::string> account_tokens::issue(const account_claims& claims) const {
  if (keys_.empty()) return fail(errc::unavailable, "this server has no key to sign tokens with");
  json about{{"namespace", claims.ns}, {"serviceaccount", reference(claims.account, claims.uid)}};
  const auto& bound = claims.bound;
  if (bound.kind == "Pod") about["pod"] = reference(bound.name, bound.uid);
  if (bound.kind == "Secret") about["secret"] = reference(bound.name, bound.uid);
  if (bound.kind == "Node") about["node"] = reference(bound.name, bound.uid);
  if (!claims.node.empty()) about["node"] = reference(claims.node, claims.node_uid);
  const json head{{"alg", keys_.front().what.algorithm}, {"kid", keys_.front().id}};
  const json body{{"aud", claims.audiences}, {"exp", seconds_of(claims.expires)}, {"iat", seconds_of(claims.issued)}, {"iss", config_.issuer},
                  {"jti", claims.id}, {"kubernetes.io", about}, {"nbf", seconds_of(claims.issued)},
                  {"sub", "system:serviceaccount:" + claims.ns + ":" + claims.account}};
  auto text = web_base64(to_text(head)) + "." + web_base64(to_text(body));
  auto signature = with_->sign_text(signing_, text);
  if (!signature.ok()) return signature.why();
  return text + "." + web_base64(*signature);
}

result<account_claims> account_tokens::read(std::string_view token, wall_time now) const {
  if (!looks_like_one(token)) return unbelieved("not a token of a service account");
  const auto last = token.rfind('.');
  const auto first = token.find('.');
  std::string head, body, signature;
  if (!from_web_base64(token.substr(0, first), head) || !from_web_base64(token.substr(first + 1, last - first - 1), body) ||
      !from_web_base64(token.substr(last + 1), signature))
    return unbelieved("a token that cannot be read");
  const auto said = parse_json(head);
  if (!said.ok()) return unbelieved("a token that cannot be read");
  // The algorithm is the key's and never the token's to choose.
  const auto id = text_or(dig(*said, "kid")), algorithm = text_or(dig(*said, "alg"));
  const bool signed_by_us = std::any_of(keys_.begin(), keys_.end(), [&](const known_key& key) {
    return (id.empty() || key.id == id) && key.what.algorithm == algorithm && with_->verify_text(key.open, token.substr(0, last), signature);
  });
  if (!signed_by_us) return unbelieved("a token that this cluster has not signed");
  const auto claims = parse_json(body);
  if (!claims.ok() || text_or(dig(*claims, "iss")) != config_.issuer) return unbelieved("a token of another issuer");
  account_claims out;
  out.issued = time_at(dig(*claims, "iat"));
  out.expires = time_at(dig(*claims, "exp"));
  if (now >= out.expires) return unbelieved("service account token has expired");
  if (time_at(dig(*claims, "nbf")) > now + clock_skew) return unbelieved("a token that is not valid yet");
  for (const auto& one : dig(*claims, "aud")) out.audiences.push_back(text_or(one));
  const auto& about = dig(*claims, "kubernetes.io");
  out.ns = text_or(dig(about, "namespace"));
  out.account = text_or(dig(about, "serviceaccount", "name"));
  out.uid = text_or(dig(about, "serviceaccount", "uid"));
  out.id = text_or(dig(*claims, "jti"));
  for (const auto& [member, kind] : {std::pair{"pod", "Pod"}, {"secret", "Secret"}})
    if (dig(about, member).is_object()) out.bound = {kind, text_or(dig(about, member, "name")), text_or(dig(about, member, "uid"))};
  if (dig(about, "node").is_object()) {
    out.node = text_or(dig(about, "node", "name"));
    out.node_uid = text_or(dig(about, "node", "uid"));
    if (out.bound.kind.empty()) out.bound = {"Node", std::exchange(out.node, ""), std::exchange(out.node_uid, "")};
  }
  if (out.ns.empty() || out.account.empty()) return unbelieved("a token without a service account");
  return out;
}

std::string account_tokens::key_set() const {
  json keys = json::array();
  for (const auto& key : keys_) {
    json one{{"use", "sig"}, {"kid", key.id}, {"alg", key.what.algorithm}};
    for (const auto& [name, value] : key.what.members) one[name] = value;
    keys.push_back(std::move(one));
  }
  return to_text(json{{"keys", keys}});
}

std::string account_tokens::discovery(std::string_view server) const {
  json algorithms = json::array();
  for (const auto& key : keys_)
    if (std::find(algorithms.begin(), algorithms.end(), json(key.what.algorithm)) == algorithms.end()) algorithms.push_back(key.what.algorithm);
  return to_text(json{{"issuer", config_.issuer}, {"jwks_uri", "https://" + std::string(server) + "/openid/v1/jwks"},
                      {"response_types_supported", {"id_token"}}, {"subject_types_supported", {"public"}},
                      {"id_token_signing_alg_values_supported", algorithms}});
}

result<account_claims> plan_token(const json& account, const json& spec, const token_config& config, wall_time now) {
  account_claims out;
  out.ns = text_or(dig(account, "metadata", "namespace"));
  out.account = text_or(dig(account, "metadata", "name"));
  out.uid = text_or(dig(account, "metadata", "uid"));
  for (const auto& one : dig(spec, "audiences"))
    if (!text_or(one).empty()) out.audiences.push_back(text_or(one));
  if (out.audiences.empty() && !config.audiences.empty()) out.audiences.push_back(config.audiences.front());
  duration life = token_life_default;
  if (const auto& asked = dig(spec, "expirationSeconds"); asked.is_number_integer()) {
    const auto seconds = asked.get<std::int64_t>();
    if (seconds < std::chrono::duration_cast<std::chrono::seconds>(token_life_least).count())
      return fail(errc::invalid, "may not specify a duration less than 10 minutes");
    if (seconds > std::int64_t{1} << 32) return fail(errc::invalid, "may not specify a duration larger than 2^32 seconds");
    life = std::min<duration>(std::chrono::seconds(seconds), token_life_most);
  }
  const auto& bound = dig(spec, "boundObjectRef");
  if (bound.is_object()) {
    out.bound = {text_or(dig(bound, "kind")), text_or(dig(bound, "name")), text_or(dig(bound, "uid"))};
    if (out.bound.kind != "Pod" && out.bound.kind != "Secret" && out.bound.kind != "Node")
      return fail(errc::invalid, "cannot bind token for serviceaccount \"" + out.account + "\" to an object of kind \"" + out.bound.kind + "\"");
  }
  if (out.bound.kind == "Pod" && life == duration(token_life_of_pods)) life = token_life_most;
  out.issued = now;
  out.expires = now + std::chrono::duration_cast<wall_time::duration>(life);
  return out;
}

}  // namespace troupe::apiserver
