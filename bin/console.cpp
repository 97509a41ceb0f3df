#include "bin/console.hpp"

#include <cstdio>

#include "actors/console/callboard.hpp"
#include "net/host/text_socket.hpp"

namespace troupe::bin {

int run_console(const std::string& admin_socket, bool as_json) {
  const auto text = net::fetch_text(admin_socket);
  if (!text.ok()) {
    std::fprintf(stderr, "troupe: no node answers at %s; is it running, and is --data-dir or --admin-socket the one it was started with?\n",
                 text.why().note.c_str());
    return 1;
  }
  if (as_json) return std::fputs(text->c_str(), stdout) < 0;
  const auto table = console::callboard_table(*text);
  if (!table.ok()) {
    std::fprintf(stderr, "troupe: %s\n", table.why().note.c_str());
    return 1;
  }
  return std::fputs(table->c_str(), stdout) < 0;
}

}  // namespace troupe::bin
