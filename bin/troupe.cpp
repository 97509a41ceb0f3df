#include <cstdio>
#include <cstring>
#include <string>

#include "basis/ids.hpp"
#include "bin/console.hpp"
#include "bin/run.hpp"

using namespace troupe;

int main(int argc, char** argv) {
  const auto value = [&](const char* flag, const char* otherwise) -> std::string {
    for (int i = 2; i + 1 < argc; ++i)
      if (std::strcmp(argv[i], flag) == 0) return argv[i + 1];
    return otherwise;
  };
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "server") {
    node::server_config c;
    c.data_folder = value("--data-dir", c.data_folder.c_str());
    c.identity_folder = value("--identity-dir", c.identity_folder.c_str());
    c.bind_address = value("--bind-address", "");
    c.node_name = value("--node-name", "");
    c.kubeconfig_path = value("--write-kubeconfig", c.kubeconfig_path.c_str());
    c.token = secret_text(value("--token", ""));
    return bin::run_server(std::move(c), {value("--admin-socket", "")});
  }
  if (command == "agent") {
    node::agent_config c;
    c.data_folder = value("--data-dir", c.data_folder.c_str());
    c.identity_folder = value("--identity-dir", c.identity_folder.c_str());
    c.bind_address = value("--bind-address", "");
    c.node_name = value("--node-name", "");
    c.token = secret_text(value("--token", ""));
    if (auto at = parse_server_url(value("--server", "")); at.ok()) c.server = *at;
    return bin::run_agent(std::move(c), {value("--admin-socket", "")});
  }
  if (command == "console") return bin::run_console(value("--admin-socket", ""), false);
  std::fprintf(stderr, "usage: troupe server|agent [flags]\n");
  return 2;
}
