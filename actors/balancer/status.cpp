#include "actors/balancer/status.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

namespace troupe::balancer {
namespace {

constexpr const char* words[] = {"unknown", "ready", "unready", "lost"};

double milliseconds(duration of) { return std::round(static_cast<double>(of.count()) / 1e4) / 100; }

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text + "  ";
}
std::string number(const json& of) { return of.is_number_integer() ? std::to_string(of.get<std::int64_t>()) : "-"; }
std::string number_ms(const json& of) {
  if (!of.is_number()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", of.get<double>());
  return text;
}

std::string table_of(const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::size_t> width(lines.front().size());
  for (const auto& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], line[i].size());
  std::string out;
  for (const auto& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) text += padded(line[i], width[i]);
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  return out;
}

std::string age_warning(const json& notice, wall_time now) {
  const auto at = parse_rfc3339(text_or(dig(notice, "at")));
  if (!at.ok() || now - *at <= snapshot_age_max) return {};
  return "This was told " + std::to_string((now - *at) / std::chrono::seconds(1)) + " s ago: the node does not go on (troupe console shows who is stuck).\n";
}

struct tunnel_words { std::string state, since, why; };

std::map<std::string, tunnel_words> tunnels_of(const json& notices) {
  std::map<std::string, tunnel_words> out;
  const auto& all = dig(notices, "tunnels", "tunnels");
  if (all.is_array())
    for (const auto& one : all) {
      const bool up = dig(one, "up").is_boolean() && dig(one, "up").get<bool>();
      out[text_or(dig(one, "server"))] = {up ? "up" : "down", text_or(dig(one, "since")), text_or(dig(one, "why"))};
    }
  return out;
}

std::string tunnels_table(const std::map<std::string, tunnel_words>& tunnels) {
  std::vector<std::vector<std::string>> lines{{"SERVER", "TUNNEL", "SINCE", "LAST ERROR"}};
  for (const auto& [server, t] : tunnels) lines.push_back({server, t.state, t.since, t.why});
  return table_of(lines);
}

}  // namespace

json render_link(const roster& from, const link_facts& with) {
  json servers = json::array(), listeners = json::array();
  for (const auto& at : with.listeners) listeners.push_back(to_string(at));
  for (const auto& one : with.servers) {
    json line{{"server", to_string(one.row.at)}, {"state", words[static_cast<int>(one.row.state)]},
              {"role", one.row.draining ? "draining" : one.row.fallback ? "fallback" : "server"}, {"since", to_rfc3339(one.since)},
              {"connections", one.relays}, {"last_error", one.row.error}};
    if (one.latency > duration::zero()) line["probe_ms"] = milliseconds(one.latency);
    servers.push_back(std::move(line));
  }
  return {{"at", to_rfc3339(with.now)}, {"listeners", std::move(listeners)}, {"generation", from.generation()},
          {"current", to_string(from.current())}, {"why", from.reason()}, {"waiting", with.waiting}, {"servers", std::move(servers)}};
}

json render_tunnels(wall_time now, const std::vector<tunnel_facts>& all) {
  json tunnels = json::array();
  for (const auto& one : all)
    tunnels.push_back({{"server", to_string(one.server)}, {"up", one.up}, {"since", to_rfc3339(one.since)}, {"why", one.why}});
  return {{"at", to_rfc3339(now)}, {"tunnels", std::move(tunnels)}};
}

result<std::string> status_table(const json& notices, wall_time now) {
  const auto& link = dig(notices, "balancer");
  auto tunnels = tunnels_of(notices);
  if (!link.is_object()) {
    if (!dig(notices, "tunnels").is_object()) return fail(errc::invalid, "the node tells nothing of its servers yet: it has not been admitted, or runs no agent");
    return "This node runs a server and talks to it directly: no load balancer.\n" + tunnels_table(tunnels);
  }
  const auto& servers = dig(link, "servers");
  if (!servers.is_array()) return fail(errc::invalid, "the answer is no status of an agent");
  std::string head, current = text_or(dig(link, "current"));
  if (dig(link, "listeners").is_array())
    for (const auto& at : dig(link, "listeners")) head += (head.empty() ? "load balancer on " : ", ") + text_or(at);
  std::vector<std::vector<std::string>> lines{{" ", "SERVER", "STATE", "SINCE", "CONNECTIONS", "PROBE ms", "TUNNEL", "TUNNEL SINCE", "LAST ERROR"}};
  for (const auto& one : servers) {
    const auto name = text_or(dig(one, "server")), role = text_or(dig(one, "role"));
    const auto found = tunnels.find(name);
    const auto tunnel = found == tunnels.end() ? tunnel_words{"-", "-", ""} : found->second;
    const auto& said = text_or(dig(one, "last_error"));
    lines.push_back({name == current ? "*" : " ", name, text_or(dig(one, "state")) + (role == "server" ? "" : " (" + role + ")"), text_or(dig(one, "since")),
                     number(dig(one, "connections")), number_ms(dig(one, "probe_ms")), tunnel.state, tunnel.since, said.empty() ? tunnel.why : said});
  }
  return age_warning(link, now) + head + "; list of servers " + number(dig(link, "generation")) + ", " + number(dig(link, "waiting")) +
         " clients waiting\n" + table_of(lines) + "* is used: " + text_or(dig(link, "why")) + "\n";
}

}  // namespace troupe::balancer
