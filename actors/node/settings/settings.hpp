// From what a person typed, wrote into files and exported to what a node is told. Pure: bin/ hands in the
// arguments, the environment and the files' text, and gets a configuration or sentences that say what is
// wrong. Precedence: flag, then drop-in, then file, then TROUPE_*, then K3S_*; lists replace, `key+` appends.
#pragma once
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "actors/node/config.hpp"

namespace troupe::node {

enum class flag_kind : std::uint8_t { scalar, list, toggle };
enum class command : std::uint8_t { server = 1, agent = 2 };

/// One row of the table of flags: everything that the command line, its help, the configuration file and
/// the environment know about a setting.
struct flag {
  std::string_view name;
  char letter;                 ///< 0: none.
  std::string_view env;        ///< K3s's variable without its prefix; empty: K3s has none.
  flag_kind kind;
  std::uint8_t who;            ///< Sum of `command` values.
  std::string_view usual;      ///< What holds when nobody says anything, in words for the help.
  std::string_view meaning;
  bool built = true;           ///< False: a K3s flag that this version does not have yet.
  bool hidden = false;         ///< Not in the help: for tests and experiments.
  bool takes_commas = false;   ///< A list whose values are also split at commas.
  bool secret = false;

  bool is_for(command c) const noexcept { return who & static_cast<std::uint8_t>(c); }
};
/// In the order of the help. Lives for ever.
std::span<const flag> flags() noexcept;
/// By name or by letter; null when there is none.
const flag* find_flag(std::string_view name) noexcept;
/// The TROUPE_* variable of a flag, without the prefix.
std::string variable_of(const flag& of);

/// The built flag for `c` whose name is nearest to `typed`; empty when all are far away.
std::string_view nearest_flag(command c, std::string_view typed);
/// What to say about a flag or key that `c` does not take. `shown` is how it was written, for the sentence.
std::string refusal(command c, std::string_view name, std::string_view shown);

/// One setting from the command line: the flag's name without dashes, its value as typed.
struct argument {
  std::string name, value;
};
/// A configuration file, in the order of reading; `text` is YAML.
struct config_file {
  std::string path, text;
};
/// Everything that decides what a node is told. `home` non-empty means: not root, keep below it.
struct settings_input {
  command what = command::server;
  std::vector<argument> arguments;
  std::map<std::string, std::string> environment;
  std::vector<config_file> files;
  std::string home;
  /// Reads the files that --token-file and --agent-token-file name. May block; must not throw.
  std::function<result<std::string>(const std::string& path)> read_file;
};

struct settings {
  server_config server;                 ///< Meant when `what` was server.
  agent_config agent;                   ///< Meant when `what` was agent.
  std::string admin_socket;
  bool debug = false, json_log = false;
  std::vector<std::string> warnings;    ///< One sentence each; nothing is wrong.
  std::vector<std::string> errors;      ///< One sentence each; when there is one, the rest means nothing.
};
/// Never throws. Errors name flag, variable, or file and line, and never repeat a secret.
settings merge_settings(const settings_input& from);

/// "250ms", "40s", "5m", "1h", or several of them joined; `invalid` otherwise.
result<duration> parse_duration(std::string_view text);

}  // namespace troupe::node
