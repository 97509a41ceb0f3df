#include "bin/command_line.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

extern char** environ;

namespace troupe::bin {
namespace {

namespace fs = std::filesystem;

std::string spelled(const node::flag& f) {
  std::string out;
  if (f.letter) out = std::string("-") + f.letter + ",";
  return out + (f.name.size() == 1 ? "-" : "--") + std::string(f.name);
}

/// The first word that no flag took: a flag that is unknown, or a word too many.
void report_leftovers(node::command what, std::vector<std::string> left) {
  const auto dashed = std::find_if(left.begin(), left.end(), [](const std::string& t) { return t.size() > 1 && t[0] == '-'; });
  std::string shown = dashed == left.end() ? left.front() : *dashed;
  shown = shown.substr(0, shown.find('='));
  const auto start = shown.find_first_not_of('-');
  const std::string name = start == shown.npos ? shown : shown.substr(start);
  const std::string said = dashed == left.end() ? "there is no place for \"" + shown.substr(0, 80) + "\"" : node::refusal(what, name, shown);
  std::fprintf(stderr, "troupe: %s\n", said.c_str());
}

result<std::string> slurp(const std::string& path, std::size_t bytes_max) {
  std::error_code bad;
  if (!fs::exists(path, bad)) return fail(errc::not_found, path + " does not exist");
  if (fs::is_directory(path, bad)) return fail(errc::invalid, path + " is a directory");
  std::ifstream in(path, std::ios::binary);
  std::string text(bytes_max + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (!in.eof() && in.fail())) return fail(errc::unavailable, path + " cannot be read");
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > bytes_max) return fail(errc::too_large, path + " is larger than " + std::to_string(bytes_max) + " bytes");
  return text;
}

/// The file itself and its drop-ins in the order of their names. A missing file is no error.
bool read_config_files(const std::string& path, bool asked_for, std::vector<node::config_file>& into) {
  std::vector<std::string> paths{path};
  std::error_code bad;
  for (fs::directory_iterator at(path + ".d", bad), end; !bad && at != end; at.increment(bad)) {
    auto kind = at->path().extension().string();
    std::transform(kind.begin(), kind.end(), kind.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (kind == ".yaml" || kind == ".yml") paths.push_back(at->path().string());
  }
  std::sort(paths.begin() + 1, paths.end());
  for (const auto& p : paths) {
    auto text = slurp(p, config_bytes_max);
    if (text.ok()) {
      into.push_back({p, std::move(*text)});
    } else if (text.code() != errc::not_found) {
      std::fprintf(stderr, "troupe: %s\n", text.why().note.c_str());
      return false;
    } else if (asked_for && paths.size() == 1) {
      std::fprintf(stderr, "troupe: warning: %s\n", text.why().note.c_str());
    }
  }
  return true;
}

std::string config_path(const reading& so_far, const std::map<std::string, std::string>& environment, bool& asked_for) {
  asked_for = true;
  for (const auto& a : so_far.arguments)
    if (a.name == "config") return a.value;
  for (const auto* variable : {"TROUPE_CONFIG_FILE", "K3S_CONFIG_FILE"})
    if (const auto found = environment.find(variable); found != environment.end() && !found->second.empty()) return found->second;
  asked_for = false;
  return "/etc/rancher/troupe/config.yaml";
}

/// Lets the library split what was typed by the table. Exit code when that ends it.
std::optional<int> split(node::command what, const std::vector<std::string>& typed, std::vector<node::argument>& into) {
  const bool server = what == node::command::server;
  CLI::App app(server ? "A server, and the node beside it." : "A node that joins a server.", server ? "troupe server" : "troupe agent");
  app.allow_extras();
  std::vector<std::pair<const node::flag*, CLI::Option*>> made;
  for (const auto& f : node::flags()) {
    if (!f.is_for(what)) continue;
    // Const, because the library would take a text that can change for the place to store the value in.
    const std::string meaning = std::string(f.meaning) + (f.usual.empty() ? "" : " [" + std::string(f.usual) + "]");
    auto* option = f.kind == node::flag_kind::toggle ? app.add_flag(spelled(f), meaning) : app.add_option(spelled(f), meaning);
    if (f.kind != node::flag_kind::toggle) option->type_name("VALUE")->expected(1)->take_all()->allow_extra_args(false);
    if (!f.built || f.hidden) option->group("");
    made.emplace_back(&f, option);
  }
  try {
    app.parse(std::vector<std::string>(typed.rbegin(), typed.rend()));
  } catch (const CLI::CallForHelp&) {
    std::printf("%s\nEvery flag can stand in the configuration file without its dashes, and in the environment as TROUPE_NAME.\n", app.help().c_str());
    return 0;
  } catch (const CLI::Error& e) {
    std::fprintf(stderr, "troupe: %s\n", e.what());
    return 2;
  }
  for (const auto& [f, option] : made)
    for (const auto& value : option->results()) into.push_back({std::string(f->name), value});
  if (auto left = app.remaining(); !left.empty()) {
    report_leftovers(what, std::move(left));
    return 2;
  }
  return std::nullopt;
}

}  // namespace

std::map<std::string, std::string> node_environment() {
  std::map<std::string, std::string> out;
  for (char** at = environ; at && *at; ++at) {
    const std::string_view line(*at);
    const auto cut = line.find('=');
    if (cut != line.npos && (line.starts_with("TROUPE_") || line.starts_with("K3S_"))) out.emplace(line.substr(0, cut), line.substr(cut + 1));
  }
  return out;
}

std::string unprivileged_home() {
  if (geteuid() == 0) return {};
  const char* home = std::getenv("HOME");
  return home && *home == '/' ? home : "/tmp";
}

reading read_command_line(node::command what, const std::vector<std::string>& typed) {
  reading out;
  if ((out.exit_code = split(what, typed, out.arguments))) return out;
  node::settings_input in;
  in.what = what;
  in.arguments = out.arguments;
  in.environment = node_environment();
  in.home = unprivileged_home();
  in.read_file = [](const std::string& path) { return slurp(path, secret_file_bytes_max); };
  bool asked_for = false;
  const auto path = config_path(out, in.environment, asked_for);
  if (!read_config_files(path, asked_for, in.files)) {
    out.exit_code = 2;
    return out;
  }
  out.merged = node::merge_settings(in);
  for (const auto& w : out.merged.warnings) std::fprintf(stderr, "troupe: warning: %s\n", w.c_str());
  for (const auto& e : out.merged.errors) std::fprintf(stderr, "troupe: %s\n", e.c_str());
  if (!out.merged.errors.empty()) out.exit_code = 2;
  return out;
}

}  // namespace troupe::bin
