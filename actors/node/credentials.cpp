#include "actors/node/credentials.hpp"

#include "actors/registration/token.hpp"
#include "basis/yaml.hpp"

namespace troupe::node {
namespace {

/// Value of the line `<password>,<user>,...` of cred/passwd, or empty.
std::string password_of(std::string_view passwd, std::string_view user) {
  while (!passwd.empty()) {
    const auto line = passwd.substr(0, passwd.find('\n'));
    passwd.remove_prefix(std::min(passwd.size(), line.size() + 1));
    const auto mark = line.find("," + std::string(user) + ",");
    if (mark != std::string_view::npos) return std::string(line.substr(0, mark));
  }
  return {};
}

result<secret_text> choose(const rt::world& in, const secret_text& given, const std::string& kept, const char* flag) {
  if (given.empty()) return secret_text(kept.empty() ? to_hex(in.chance->draw(16)) : kept);
  auto token = registration::parse_token(given.reveal());
  if (!token.ok()) return fail(errc::invalid, std::string(flag) + ": " + token.why().note);
  if (token->is_bootstrap()) return fail(errc::invalid, std::string(flag) + ": a bootstrap token cannot be a cluster's secret; use a plain password or K10<hash>::server:<password>");
  if (token->password.empty()) return fail(errc::invalid, std::string(flag) + " holds no password");
  if (token->password.reveal().find_first_of(",\n\r") != std::string_view::npos) return fail(errc::invalid, std::string(flag) + " must not contain a comma or a line break");
  return token->password;
}

std::string passwd_of(const cluster_passwords& now) {
  return std::string(now.agent.reveal()) + ",node,node,k3s:agent\n" + std::string(now.server.reveal()) + ",server,server,k3s:server\n";
}
/// Agents that had the same password as servers get the new one, too.
std::pair<cluster_passwords, bool> succeeded_by(std::string_view passwd, const secret_text& server) {
  const auto agent = password_of(passwd, "node");
  const bool agents_own = agent != password_of(passwd, "server");
  return {{server, agents_own ? secret_text(agent) : server}, agents_own};
}

/// cred/passwd first: the files of tokens follow from it at every start.
result<void> write_passwords(const rt::world& in, const std::string& folder, const std::string& ca_digest, const cluster_passwords& now, bool agents_own) {
  const std::string passwd = passwd_of(now);
  const auto full = [&](const char* user, const secret_text& password) {
    registration::token t;
    t.ca_digest = ca_digest;
    t.user = user;
    t.password = password;
    return std::string(registration::render_token(t).reveal()) + "\n";
  };
  const auto kept = in.files->read(folder + "/cred/passwd");
  if (!kept.ok() || passwd != *kept)
    if (auto done = in.files->write(folder + "/cred/passwd", passwd, 0600); !done.ok()) return done;
  if (auto done = in.files->write(folder + "/token", full("server", now.server), 0600); !done.ok()) return done;
  if (auto done = in.files->link("token", folder + "/node-token"); !done.ok()) return done;
  if (!agents_own) return in.files->link("token", folder + "/agent-token");
  if (auto gone = in.files->remove(folder + "/agent-token"); !gone.ok()) return gone;
  return in.files->write(folder + "/agent-token", full("node", now.agent), 0600);
}

}  // namespace

result<cluster_passwords> settle_passwords(const rt::world& in, const server_config& config, const std::string& ca_digest, bool one_of_several) {
  const std::string folder = config.data_folder + "/server";
  std::string kept;
  auto present = in.files->read(folder + "/cred/passwd");
  if (present.ok()) kept = *present;
  else if (present.code() != errc::not_found) return present.why();
  cluster_passwords out;
  auto server = choose(in, config.token, password_of(kept, "server"), "--token");
  if (!server.ok()) return server.why();
  out.server = *server;
  if (const auto had = password_of(kept, "server"); one_of_several && !had.empty() && out.server.reveal() != had)
    return fail(errc::invalid, "--token is not the token of this server's cluster, which is in " + folder + "/token: give that one or none (a cluster's token "
                               "is not changed by starting a server with another)");
  const auto had_agent = one_of_several ? password_of(kept, "node") : std::string();
  auto agent = !config.agent_token.empty() ? choose(in, config.agent_token, "", "--agent-token")
               : had_agent.empty()         ? server
                                           : result<secret_text>(secret_text(had_agent));
  if (!agent.ok()) return agent.why();
  out.agent = *agent;
  if (auto done = write_passwords(in, folder, ca_digest, out, !config.agent_token.empty()); !done.ok()) return done.why();
  return out;
}

result<cluster_passwords> change_token(const rt::world& in, const std::string& folder, const std::string& ca_digest, const secret_text& wanted) {
  auto passwd = in.files->read(folder + "/cred/passwd");
  if (!passwd.ok()) return passwd.why();
  auto chosen = check_token(in, wanted);
  if (!chosen.ok()) return chosen.why();
  const auto [out, agents_own] = succeeded_by(*passwd, *chosen);
  if (auto done = write_passwords(in, folder, ca_digest, out, agents_own); !done.ok()) return done.why();
  return out;
}

result<secret_text> check_token(const rt::world& in, const secret_text& wanted) { return choose(in, wanted, "", "--new-token"); }

result<secret_text> server_password(const net::files& from, const std::string& folder) {
  const auto passwd = from.read(folder + "/cred/passwd");
  if (!passwd.ok()) return passwd.why();
  return secret_text(password_of(*passwd, "server"));
}

result<std::string> passwd_with(const net::files& from, const std::string& folder, const secret_text& server) {
  const auto passwd = from.read(folder + "/cred/passwd");
  if (!passwd.ok()) return passwd.why();
  return passwd_of(succeeded_by(*passwd, server).first);
}

result<void> write_kubeconfig(const rt::world& in, const server_config& config, const certificates::pki& keys) {
  const bool any = config.bind_address.empty() || config.bind_address == "0.0.0.0" || config.bind_address == "::";
  const std::string url = "https://" + to_string(endpoint{any ? "127.0.0.1" : config.bind_address, config.https_port});
  const json out{
      {"apiVersion", "v1"}, {"kind", "Config"}, {"current-context", "default"}, {"preferences", json::object()},
      {"clusters", json::array({{{"name", "default"}, {"cluster", {{"server", url}, {"certificate-authority-data", to_base64(keys.server_ca.certificates)}}}}})},
      {"contexts", json::array({{{"name", "default"}, {"context", {{"cluster", "default"}, {"user", "default"}}}}})},
      {"users", json::array({{{"name", "default"}, {"user", {{"client-certificate-data", to_base64(keys.admin.certificates)},
                                                            {"client-key-data", to_base64(keys.admin.key.reveal())}}}}})}};
  return in.files->write(config.kubeconfig_path, to_yaml(out), config.kubeconfig_mode);
}

}  // namespace troupe::node
