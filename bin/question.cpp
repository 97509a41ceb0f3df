#include "bin/question.hpp"

#include <optional>

#include "actors/client/one_shot.hpp"
#include "actors/registration/token.hpp"
#include "basis/bytes.hpp"
#include "basis/json.hpp"
#include "net/asio/real.hpp"
#include "net/host/real.hpp"
#include "net/tls/openssl.hpp"

namespace troupe::bin {

result<net::http::response> ask_server(const question& what) {
  const auto files = net::real::make_files();
  const auto folder = what.data_folder + "/server";
  const auto line_of = [&](const std::string& path) -> result<std::string> {
    auto text = files->read(path);
    if (!text.ok())
      return fail(text.code(), path + " cannot be read: is there a server with --data-dir " + what.data_folder + ", and may you read its files?");
    while (!text->empty() && text->back() == '\n') text->pop_back();
    return text;
  };
  const auto url = what.server.empty() ? line_of(folder + "/url") : result<std::string>(what.server);
  if (!url.ok()) return url.why();
  const auto at = parse_server_url(*url);
  if (!at.ok()) return fail(errc::invalid, "--server: " + at.why().note);
  std::string credentials;
  net::tls::identity admin;
  if (what.as_admin) {
    auto certificate = line_of(folder + "/tls/client-admin.crt"), key = line_of(folder + "/tls/client-admin.key");
    if (!certificate.ok()) return certificate.why();
    if (!key.ok()) return key.why();
    admin = {*certificate + "\n", secret_text(*key + "\n")};
  } else {
    const auto text = what.token.empty() ? line_of(folder + "/token") : result<std::string>(what.token);
    if (!text.ok()) return text.why();
    const auto token = registration::parse_token(*text);
    if (!token.ok() || token->is_bootstrap()) return fail(errc::invalid, "--token: this is not a server's token");
    credentials = "Basic " + to_base64("server:" + std::string(token->password.reveal()));
  }
  const auto authority = line_of(folder + "/tls/server-ca.crt");
  if (!authority.ok()) return authority.why();

  const auto loop = net::real::make_shard("cli");
  const auto dialer = net::real::make_dialer(*loop);
  const auto tls = net::tls::make_openssl_provider();
  rt::world world;   // as much of one as a single request needs
  world.shard = loop.get();
  world.dialer = dialer.get();
  world.tls = tls.get();
  client::one_shot request;
  request.to = *at;
  request.with.trust = *authority + "\n";
  request.with.server_name = at->host;
  if (what.as_admin) request.with.self = std::move(admin);
  request.patience = what.patience;
  request.body_max = 64 * 1024 * 1024;
  request.ask.method = what.method;
  const auto mark = what.path.find('?');
  request.ask.path = what.path.substr(0, mark);
  if (mark != std::string::npos) request.ask.query = what.path.substr(mark + 1);
  request.ask.body = what.body;
  if (!what.body.empty()) request.ask.headers.add("content-type", what.body_type);
  if (!credentials.empty()) request.ask.headers.add("authorization", credentials);
  std::optional<result<net::http::response>> got;
  client::fetch_once(world, std::move(request), [&](result<net::http::response> answer) { got = std::move(answer); });
  loop->run_until([&] { return got.has_value(); }, what.patience * 2);
  if (!got) return fail(errc::timeout, "the server at " + *url + " did not answer");
  if (!got->ok()) return fail(got->code(), "the server at " + *url + " cannot be asked: " + got->why().text() + "; is it running?");
  return std::move(*got);
}

result<std::string> authority_digest(const std::string& data_folder) {
  auto pem = net::real::make_files()->read(data_folder + "/server/tls/server-ca.crt");
  if (!pem.ok()) return pem;
  return net::tls::make_openssl_issuer()->ca_digest(*pem);
}

std::string sentence_of(const net::http::response& refusal) {
  const auto read = parse_json(refusal.body.view());
  const auto said = read.ok() ? text_or(dig(*read, "message")) : std::string();
  return "the server refused (" + std::to_string(refusal.status) + ")" + (said.empty() ? "" : ": " + said.substr(0, 1000));
}

}  // namespace troupe::bin
