// The one binary: which command, then straight to it.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "basis/log.hpp"
#include "bin/command_line.hpp"
#include "bin/console.hpp"
#include "bin/run.hpp"
#include "bin/tools.hpp"

using namespace troupe;

namespace {

constexpr const char* usage_text =
    "troupe, a small Kubernetes\n\n"
    "  troupe server [flags]          a server, and the node beside it\n"
    "  troupe agent [flags]           a node that joins a server\n"
    "  troupe agent status            the servers that an agent knows, and its tunnels to them\n"
    "  troupe kubectl ...             the installed kubectl, with the admin's kubeconfig\n"
    "  troupe console [--once]        every actor of a running node, stuck ones included\n"
    "  troupe etcd-snapshot ...       save, ls, delete, prune snapshots of the datastore\n"
    "  troupe datastore migrate ...   the objects of a stopped server into another engine\n"
    "  troupe token ...               create, list, delete, generate tokens that end: for agents\n"
    "  troupe token rotate            another token for a running server\n"
    "  troupe node ...                revoke, admit, list nodes that shall not be here\n"
    "  troupe certificate check       this node's certificates and when they end\n"
    "  troupe certificate rotate      new ones at the next start of a node that stands still\n"
    "  troupe secrets-encrypt ...     status, enable, disable, rotate-keys: Secrets at rest\n"
    "  troupe install server|agent    as a systemd service\n"
    "  troupe uninstall               the way back\n"
    "  troupe version\n\n"
    "`troupe server --help` and `troupe agent --help` list their flags.\n";

/// What `ps` shows of a node is its command only, because the words behind it may hold secrets.
void hide_arguments(int argc, char** argv, const std::string& command) {
  char* const begin = argv[0];
  char* const end = argv[argc - 1] + std::strlen(argv[argc - 1]);
  const std::string title = "troupe " + command;
  const auto size = static_cast<std::size_t>(end - begin);
  std::memset(begin, 0, size);
  std::memcpy(begin, title.data(), std::min(size, title.size()));
}

void set_up_log(const node::settings& with) {
  if (with.json_log) log::use_json_lines();
  if (with.debug) log::set_level(log::level::debug);
}

int run_node(node::command what, const std::vector<std::string>& rest) {
  auto read = bin::read_command_line(what, rest);
  if (read.exit_code) return *read.exit_code;
  set_up_log(read.merged);
  bin::run_options options;
  options.role = what == node::command::server ? "server" : "agent";
  options.admin_socket = read.merged.admin_socket;
  read.arguments.clear();
  return what == node::command::server ? bin::run_server(std::move(read.merged.server), options)
                                       : bin::run_agent(std::move(read.merged.agent), options);
}

/// `troupe console` and `troupe agent status`: both read a node's admin socket.
int run_look(const std::vector<std::string>& rest, bool status) {
  const auto home = bin::unprivileged_home();
  std::string folder = home.empty() ? "/var/lib/rancher/troupe" : home + "/.rancher/troupe", socket;
  bool as_json = false;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const auto value = [&](const std::string& flag, std::string& into) {
      if (rest[i] == flag && i + 1 < rest.size()) return into = rest[++i], true;
      if (rest[i].starts_with(flag + "=")) return into = rest[i].substr(flag.size() + 1), true;
      return false;
    };
    if (!status && rest[i] == "--once") continue;
    std::string form;
    bool known = true;
    if (status ? value("-o", form) || value("--output", form) : rest[i] == "--json") as_json = !status || form == "json";
    else if (!value("--admin-socket", socket) && !value("--data-dir", folder) && !value("-d", folder)) known = false;
    if (known && (form.empty() || form == "json" || form == "table")) continue;
    std::fprintf(stderr, "usage: troupe %s [--data-dir DIR | --admin-socket PATH]\n", status ? "agent status [-o json|table]" : "console [--once] [--json]");
    return rest[i] == "--help" || rest[i] == "-h" ? 0 : 2;
  }
  if (socket.empty()) socket = folder + "/admin.sock";
  return status ? bin::run_agent_status(socket, as_json) : bin::run_console(socket, as_json);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words(argv, argv + argc);
  const auto self = words.empty() ? std::string() : words[0].substr(words[0].rfind('/') + 1);
  if (self == "kubectl") return bin::run_kubectl({words.begin() + 1, words.end()});
  const std::string command = argc > 1 ? words[1] : "";
  std::vector<std::string> rest;
  if (argc > 2) rest.assign(words.begin() + 2, words.end());
  if (command == "agent" && !rest.empty() && rest[0] == "status") return run_look({rest.begin() + 1, rest.end()}, true);
  if (command == "server" || command == "agent") {
    hide_arguments(argc, argv, command);
    return run_node(command == "server" ? node::command::server : node::command::agent, rest);
  }
  if (command == "kubectl") return bin::run_kubectl(rest);
  if (command == "console") return run_look(rest, false);
  if (command == "token" || command == "secrets-encrypt") hide_arguments(argc, argv, command);   // tokens may be among them
  if (command == "token" && !rest.empty() && rest[0] == "rotate") return bin::run_token_rotate(rest);
  if (command == "token") return bin::run_token(rest);
  if (command == "certificate") return bin::run_certificate(rest);
  if (command == "node") return bin::run_node_command(rest);
  if (command == "etcd-snapshot") return bin::run_etcd_snapshot(rest);
  if (command == "datastore") return bin::run_datastore(rest);
  if (command == "secrets-encrypt") return bin::run_secrets_encrypt(rest);
  if (command == "install") return bin::run_install(rest);
  if (command == "uninstall") return bin::run_uninstall(rest);
  if (command == "version" || command == "--version" || command == "-v") {
    std::printf("troupe %s\n", node::common_config{}.version.c_str());
    return 0;
  }
  const bool asked = command == "--help" || command == "-h" || command == "help";
  if (!asked && !command.empty()) std::fprintf(stderr, "troupe: there is no command \"%.60s\"\n\n", command.c_str());
  std::fputs(usage_text, asked ? stdout : stderr);
  return asked ? 0 : 2;
}
