#include "bin/console.hpp"

#include <cstdio>

#include "actors/balancer/status.hpp"
#include "actors/console/callboard.hpp"
#include "basis/json.hpp"
#include "net/host/text_socket.hpp"

namespace troupe::bin {

namespace {

result<std::string> ask_node(const std::string& admin_socket) {
  auto text = net::fetch_text(admin_socket);
  if (!text.ok())
    std::fprintf(stderr, "troupe: no node answers at %s; is it running, and is --data-dir or --admin-socket the one it was started with?\n",
                 text.why().note.c_str());
  return text;
}

}  // namespace

int run_agent_status(const std::string& admin_socket, bool as_json) {
  const auto text = ask_node(admin_socket);
  if (!text.ok()) return 1;
  const auto board = parse_json(*text);
  const json notices = board.ok() ? dig(*board, "notices") : json();
  if (as_json && notices.is_object()) return std::puts(notices.dump(2).c_str()) < 0;
  const auto table = balancer::status_table(notices, system_wall_clock().now());
  if (!table.ok()) {
    std::fprintf(stderr, "troupe: %s\n", table.why().note.c_str());
    return 1;
  }
  return std::fputs(table->c_str(), stdout) < 0;
}

int run_console(const std::string& admin_socket, bool as_json) {
  const auto text = ask_node(admin_socket);
  if (!text.ok()) return 1;
  if (as_json) return std::fputs(text->c_str(), stdout) < 0;
  const auto table = console::callboard_table(*text);
  if (!table.ok()) {
    std::fprintf(stderr, "troupe: %s\n", table.why().note.c_str());
    return 1;
  }
  return std::fputs(table->c_str(), stdout) < 0;
}

}  // namespace troupe::bin
