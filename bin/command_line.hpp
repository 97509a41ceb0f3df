// What was typed behind `troupe server` or `troupe agent`, with the environment and the files it names,
// read once and handed to actors/node/settings. Composition only: what it means is decided there.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "actors/node/settings/settings.hpp"

namespace troupe::bin {

inline constexpr std::size_t config_bytes_max = 4 * 1024 * 1024;
inline constexpr std::size_t secret_file_bytes_max = 64 * 1024;

/// What a command line came to: go on with `merged`, or end with `exit_code` (everything has been said).
struct reading {
  std::optional<int> exit_code;
  std::vector<node::argument> arguments;   ///< As typed, for whoever writes them into a service.
  node::settings merged;
};
/// Reads flags, environment and files, prints warnings and errors on standard error, help on standard output.
reading read_command_line(node::command what, const std::vector<std::string>& typed);

/// TROUPE_* and K3S_* of this process.
std::map<std::string, std::string> node_environment();
/// Empty for root, else $HOME: below it everything is kept.
std::string unprivileged_home();

}  // namespace troupe::bin
