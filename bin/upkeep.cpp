// The commands that look after a datastore: `etcd-snapshot` asks the running server of a data directory; `datastore
// migrate` and `server --cluster-reset` work on one that stands still. What they do is decided elsewhere.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "actors/node/upkeep/migrate.hpp"
#include "basis/clock.hpp"
#include "basis/ids.hpp"
#include "basis/json.hpp"
#include "basis/yaml.hpp"
#include "bin/command_line.hpp"
#include "bin/question.hpp"
#include "bin/real_world.hpp"
#include "bin/run.hpp"
#include "bin/tools.hpp"
#include "net/host/claim.hpp"

namespace troupe::bin {
namespace {

struct snapshot_words {
  std::string data_folder, server, token, name, folder, output = "table";
  unsigned keep = 5;
  std::vector<std::string> names;
};

int complain(const std::string& why) {
  std::fprintf(stderr, "troupe: %s\n", why.c_str());
  return 1;
}

int print_list(const json& list, const std::string& output) {
  if (output == "json") return std::printf("%s\n", list.dump(2).c_str()), 0;
  if (output == "yaml") return std::printf("%s", to_yaml(list).c_str()), 0;
  std::size_t widths[3] = {4, 8, 4};
  std::vector<std::array<std::string, 4>> rows{{"Name", "Location", "Size", "Created"}};
  for (const auto& one : dig(list, "items"))
    rows.push_back({text_or(dig(one, "spec", "snapshotName")), text_or(dig(one, "spec", "location")), text_or(dig(one, "status", "size")), text_or(dig(one, "status", "creationTime"))});
  for (const auto& row : rows)
    for (std::size_t i = 0; i < 3; ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows)
    std::printf("%-*s %-*s %-*s %s\n", static_cast<int>(widths[0]), row[0].c_str(), static_cast<int>(widths[1]), row[1].c_str(), static_cast<int>(widths[2]), row[2].c_str(), row[3].c_str());
  return 0;
}

int carry_out(const std::string& operation, const snapshot_words& with) {
  json what{{"operation", operation}};
  if (!with.folder.empty()) what["dir"] = with.folder;
  if (operation == "delete") what["name"] = with.names;
  else if (!with.name.empty()) what["name"] = json::array({with.name});
  if (operation == "prune") what["retention"] = with.keep;
  const auto got = ask_server({with.data_folder, with.server, with.token, "POST", "/db/snapshot", to_text(what)});
  if (!got.ok()) return complain(got.why().note);
  if (got->status != 200) return complain(sentence_of(*got));
  const auto said = parse_json(got->body.view());
  if (!said.ok()) return complain("the server's answer cannot be read");
  if (operation == "list") return print_list(*said, with.output);
  for (const auto& name : dig(*said, "created")) std::printf("Snapshot %s saved.\n", text_or(name).c_str());
  for (const auto& name : dig(*said, "deleted")) std::printf("Snapshot %s deleted.\n", text_or(name).c_str());
  return 0;
}

/// Runs what blocks, on main's thread, and prints what came of it.
template <class Work>
int carry_out_stopped(const std::string& data_folder, const std::string& as, Work work) {
  const auto mine = net::claim_folder(data_folder, as, system_wall_clock().now());
  if (!mine.ok()) return complain(mine.why().note);
  real_world world;
  node::observer tell;
  int number = 0;
  tell.on_step = [&](const std::string& text) { std::printf("%2d  %s\n", ++number, text.c_str()), std::fflush(stdout); };
  const auto report = work(world.get(), tell);
  if (!report.ok()) return complain(report.why().note);
  std::printf("done. Now:\n");
  for (const auto& line : report->next) std::printf("  - %s\n", line.c_str());
  return 0;
}

}  // namespace

int run_reset(node::server_config config) {
  if (const auto wrong = problems(config); !wrong.empty()) {
    for (const auto& one : wrong) complain(one);
    return 2;
  }
  const auto folder = config.data_folder;
  return carry_out_stopped(folder, "server --cluster-reset", [&](const rt::world& in, const node::observer& tell) { return node::reset_server(in, std::move(config), tell); });
}

int run_datastore(const std::vector<std::string>& arguments) {
  std::string from, to;
  std::vector<std::string> rest;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const auto value = [&](const std::string& flag, std::string& into) {
      if (arguments[i] == flag && i + 1 < arguments.size()) return into = arguments[++i], true;
      if (arguments[i].starts_with(flag + "=")) return into = arguments[i].substr(flag.size() + 1), true;
      return false;
    };
    if (!value("--from", from) && !value("--to", to)) rest.push_back(arguments[i]);
  }
  if (arguments.empty() || arguments[0] != "migrate" || from.empty() || to.empty()) {
    std::fprintf(stderr, "usage: troupe datastore migrate --from STORE --to STORE [--data-dir DIR and other flags of `troupe server`]\n"
                         "       STORE: sqlite, rocksdb, etcd (of the data directory), or https://HOST:2379,... (--datastore-*file)\n"
                         "       The server must stand still. The source stays as it is.\n");
    return 2;
  }
  auto read = read_command_line(node::command::server, rest);
  if (read.exit_code) return *read.exit_code;
  auto config = std::move(read.merged.server);
  config.cluster_init = false;   // it says which store a server keeps; here --from and --to do
  config.datastore_endpoint.clear();
  const auto folder = config.data_folder;
  return carry_out_stopped(folder, "datastore migrate", [&](const rt::world& in, const node::observer& tell) { return node::migrate_store(in, std::move(config), from, to, tell); });
}

int run_etcd_snapshot(const std::vector<std::string>& arguments) {
  snapshot_words with;
  const auto home = unprivileged_home();
  with.data_folder = home.empty() ? "/var/lib/rancher/troupe" : home + "/.rancher/troupe";
  CLI::App app("Snapshots of the datastore, whichever engine keeps it, taken by the running server.", "troupe etcd-snapshot");
  app.require_subcommand(1);
  std::string chosen;
  const auto command = [&](const char* name, const char* meaning) {
    auto* made = app.add_subcommand(name, meaning);
    made->add_option("-d,--data-dir", with.data_folder, "of the server");
    made->add_option("-s,--server,--etcd-server", with.server, "https://HOST:PORT [where the server of the data dir listens]");
    made->add_option("-t,--token,--etcd-token", with.token, "the server's token [the one in the data dir]");
    made->add_option("--dir,--etcd-snapshot-dir", with.folder, "folder of the snapshots [the server's]");
    made->callback([&chosen, name] { chosen = name; });
    return made;
  };
  auto* save = command("save", "take one now");
  save->add_option("--name", with.name, "it is called NAME-NODE-SECONDS [on-demand]");
  auto* list = command("list", "which there are");
  list->alias("ls")->alias("l");
  list->add_option("-o,--output", with.output)->check(CLI::IsMember({"table", "json", "yaml"}));
  auto* gone = command("delete", "remove some");
  gone->add_option("NAMES", with.names, "their names")->required();
  auto* prune = command("prune", "remove all but the newest of a name");
  prune->add_option("--name", with.name, "[on-demand]");
  prune->add_option("--snapshot-retention,--etcd-snapshot-retention", with.keep, "how many stay [5]");
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return carry_out(chosen, with);
}

}  // namespace troupe::bin
