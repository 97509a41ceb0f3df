#include "actors/registration/handshake.hpp"

namespace troupe::registration {
namespace {

/// The message of a Status body, else the body's first line; never more than a line.
std::string said(std::string_view body) {
  const auto object = parse_json(body);
  std::string text = object.ok() ? text_or(dig(*object, "message")) : std::string();
  if (text.empty()) text = std::string(body.substr(0, std::min<std::size_t>(body.find('\n'), 200)));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return text;
}

bool looks_like_pem(std::string_view text) { return text.find("-----BEGIN CERTIFICATE-----") != std::string_view::npos; }

std::string joined(const std::vector<std::string>& list) {
  std::string out;
  for (const auto& x : list) out += (out.empty() ? "" : ",") + x;
  return out;
}

}  // namespace

handshake::handshake(application what, digest_of digest, pinned_of pinned) : what_(std::move(what)), digest_(std::move(digest)), pinned_(std::move(pinned)) {
  use_certificate_ = !what_.present.empty();
}

void handshake::restart() { at_ = step::fetch_ca; }

next_request handshake::ask(std::string path) const {
  next_request out{"GET", std::move(path), "", {}, true, use_certificate_};
  const auto& token = what_.with;
  if (token.is_bootstrap())
    out.headers.emplace_back("authorization", "Bearer " + token.bootstrap_id + "." + std::string(token.bootstrap_secret.reveal()));
  else
    out.headers.emplace_back("authorization", "Basic " + to_base64("node:" + std::string(token.password.reveal())));
  return out;
}

next_request handshake::ask_for_certificate(std::string path, const std::string& request,
                                            const std::vector<std::string>& addresses) const {
  auto out = ask(std::move(path));
  out.method = "POST";
  out.body = request;
  out.headers.emplace_back("k3s-node-name", what_.node.text);
  out.headers.emplace_back("k3s-node-password", std::string(what_.password.reveal()));
  out.headers.emplace_back("k3s-node-ip", joined(addresses));
  return out;
}

next_step handshake::next() const {
  if (!hopeless_.empty()) return hopeless{hopeless_};
  switch (at_) {
    case step::fetch_ca: return next_request{"GET", "/cacerts", "", {}, false, false};
    case step::check_ca: return next_request{"GET", "/cacerts", "", {}, true, false};
    case step::config: return ask("/v1-k3s/config");
    case step::client_ca: return ask("/v1-k3s/client-ca.crt");
    case step::server_ca: return ask("/v1-k3s/server-ca.crt");
    case step::serving: return ask_for_certificate("/v1-k3s/serving-kubelet.crt", what_.serving_request, what_.all_addresses);
    case step::client: return ask_for_certificate("/v1-k3s/client-kubelet.crt", what_.client_request, what_.internal_addresses);
    case step::controller: {
      auto out = ask("/v1-k3s/client-k3s-controller.crt");
      out.method = "POST";
      out.body = what_.controller_request;
      return out;
    }
    case step::servers: return ask("/v1-k3s/apiservers");
    case step::done: return complete{};
  }
  return complete{};
}

result<void> handshake::refused(int status, std::string_view body) {
  if (status == 401 && use_certificate_) {
    use_certificate_ = false;  // the node was deleted, or the certificate is of another life: the token decides
    return {};
  }
  if (status == 401 && what_.with.is_bootstrap()) hopeless_ = said(body);
  else if (status == 401) hopeless_ = "the server does not accept the token: it is wrong, or of another cluster; take it from "
                                 "<data-dir>/server/node-token on a server";
  else if (status == 403) hopeless_ = said(body);
  else return fail(errc::unavailable, "HTTP " + std::to_string(status) + ": " + said(body));
  return {};
}

result<void> handshake::answer(int status, std::string_view body) {
  if (status < 200 || status > 299) return refused(status, body);
  const auto keep = [&](const char* piece, bool good, step then) -> result<void> {
    if (!good) {
      restart();
      return fail(errc::unavailable, std::string("what answers is no server of ours: no ") + piece + " in \"" +
                                         said(body).substr(0, 60) + "\"");
    }
    pieces_[piece] = std::string(body);
    at_ = then;
    return {};
  };
  switch (at_) {
    case step::fetch_ca: {
      if (auto kept = keep("cacerts", looks_like_pem(body), step::check_ca); !kept.ok()) return kept;
      const auto found = digest_(body);
      const auto& wanted = what_.with.ca_digest;
      const bool same = wanted.empty() || wanted == found;
      bundle_ = std::string(body);
      // The authorities were replaced since the token was made. That the one it names is behind them is shown by the connection
      // that comes next, which is verified with it alone.
      if (auto pinned = same || !pinned_ ? std::string() : pinned_(body, wanted); same || !pinned.empty())
        trust_ = same ? bundle_ : std::move(pinned);
      else
        hopeless_ = "token CA hash does not match the Cluster CA certificate hash: " + what_.with.ca_digest + " != " + found +
                    "; the token belongs to another cluster, or somebody stands in between";
      return {};
    }
    case step::check_ca: {
      auto kept = keep("cacerts", body == bundle_, step::config);
      if (kept.ok()) trust_ = bundle_;
      return kept;
    }
    case step::config: return keep("config", parse_json(body).ok(), step::client_ca);
    case step::client_ca: return keep("client-ca.crt", looks_like_pem(body), step::server_ca);
    case step::server_ca: return keep("server-ca.crt", looks_like_pem(body), step::serving);
    case step::serving: return keep("serving-kubelet.crt", looks_like_pem(body), step::client);
    case step::client: return keep("client-kubelet.crt", looks_like_pem(body), step::controller);
    case step::controller: return keep("client-k3s-controller.crt", looks_like_pem(body), step::servers);
    case step::servers: {
      const auto list = parse_json(body);
      return keep("apiservers", list.ok() && list->is_array(), step::done);
    }
    case step::done: return {};
  }
  return {};
}

std::string handshake::text(std::string_view piece) const {
  const auto found = pieces_.find(piece);
  return found == pieces_.end() ? std::string() : found->second;
}

}  // namespace troupe::registration
