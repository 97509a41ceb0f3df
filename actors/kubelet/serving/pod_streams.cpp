#include "actors/kubelet/serving/pod_streams.hpp"

#include "actors/apiserver/respond.hpp"
#include "actors/kubelet/serving/socket_streams.hpp"
#include "net/http/carry.hpp"
#include "net/websocket/byte_stream.hpp"

namespace troupe::kubelet {
namespace {

constexpr std::string_view tunnelled_protocol = "SPDY/3.1+portforward.k8s.io";
constexpr duration dial_limit = std::chrono::seconds(5), answer_limit = std::chrono::seconds(30);

std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto end = path.find('/');
    out.emplace_back(path.substr(0, end));
    if (end == std::string_view::npos) break;
    path.remove_prefix(end);
  }
  return out;
}

/// What containerd 1.6's streaming server agrees to.
bool is_known(std::string_view protocol) {
  for (const std::string_view one : {"v4.channel.k8s.io", "v4.base64.channel.k8s.io", "base64.channel.k8s.io", "channel.k8s.io",
                                     "v4.portforward.k8s.io", "v4.base64.portforward.k8s.io", ""})
    if (protocol == one) return true;
  return false;
}

std::vector<std::string> protocols_of(const net::http::request& ask) {
  std::vector<std::string> out;
  for (const auto& [name, value] : ask.headers.all()) {
    if (name != "sec-websocket-protocol") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      auto one = rest.substr(0, comma);
      while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
      while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
      if (!one.empty()) out.emplace_back(one);
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  return out;
}

void refuse(net::http::exchange& to, int status, std::string why) {
  if (!to.open()) return;
  apiserver::respond_text(to, status == 0 ? 502 : status, status == 0 ? "the container runtime's stream: " + why : why);
}

/// Asks the runtime for SPDY by itself, whatever the client speaks; `then` gets the client's WebSocket and the runtime's stream.
template <class F>
void switch_both(const rt::world& in, net::stream_ptr runtime, std::string path, const char* runtime_protocol, std::string_view socket,
                 net::http::request ask, net::http::exchange_ptr client, F then) {
  net::http::request plain;
  plain.method = "POST";
  const auto mark = path.find('?');
  plain.path = path.substr(0, mark);
  if (mark != std::string::npos) plain.query = path.substr(mark + 1);
  plain.headers.add("connection", "Upgrade");
  plain.headers.add("upgrade", "SPDY/3.1");
  plain.headers.add("x-stream-protocol-version", runtime_protocol);
  net::http::ask_upgrade(*in.shard, std::move(runtime), plain, "localhost", answer_limit,
      [&in, ask = std::move(ask), client, socket = std::string(socket), then = std::move(then)](net::http::response, net::stream_ptr spdy) {
        auto towards_client = net::websocket::accept(*in.shard, ask, *client, socket, *in.chance);
        if (towards_client) then(std::move(towards_client), std::move(spdy));
      },
      [client](int status, std::string why) { refuse(*client, status, std::move(why)); });
}

}  // namespace

std::optional<open_pod_stream> parse_stream_path(const net::http::request& ask) {
  const auto parts = parts_of(ask.path);
  open_pod_stream out;
  if (parts.size() == 4 && parts[0] == "exec") out.what = pod_stream::exec;
  else if (parts.size() == 4 && parts[0] == "attach") out.what = pod_stream::attach;
  else if (parts.size() == 3 && parts[0] == "portForward") out.what = pod_stream::port_forward;
  else return std::nullopt;
  out.ns = parts[1];
  out.pod = parts[2];
  if (parts.size() == 4) out.container = parts[3];
  for (auto& [key, value] : net::http::parse_query(ask.query)) {
    const bool yes = value == "1" || value == "true";
    if (key == "command") out.command.push_back(std::move(value));
    else if (key == "input") out.in = yes;
    else if (key == "output") out.out = yes;
    else if (key == "error") out.err = yes;
    else if (key == "tty") out.terminal = yes;
  }
  return out;
}

stream_wire judge_wire(const net::http::request& ask, std::string& offered) {
  if (!ask.headers.has_token("upgrade", "websocket")) return stream_wire::as_it_is;
  const auto protocols = protocols_of(ask);
  if (protocols.empty()) return stream_wire::as_it_is;
  for (const auto& one : protocols) {
    if (one == tunnelled_protocol) return stream_wire::tunnelled;
    if (one == socket_protocol) return stream_wire::bridged;
    if (is_known(one)) offered += (offered.empty() ? "" : ", ") + one;
  }
  return offered.empty() ? stream_wire::refused : stream_wire::as_it_is;
}

void carry_stream(const rt::world& in, const stream_place& to, const net::http::request& ask, stream_wire wire, std::string offered,
                  net::http::exchange_ptr client) {
  if (wire == stream_wire::refused)
    return refuse(*client, 400, "unable to upgrade: none of the WebSocket protocols offered is spoken here; SPDY/3.1, v5.channel.k8s.io and v4.channel.k8s.io are");
  auto asked = net::http::carried_on(ask, to.path);
  if (!offered.empty()) asked.headers.set("sec-websocket-protocol", offered);
  in.dialer->dial(to.at, dial_limit, [&in, path = to.path, ask, asked = std::move(asked), wire, client](result<net::stream_ptr> got) mutable {
    if (!got.ok()) return refuse(*client, 0, got.why().note);
    if (wire == stream_wire::tunnelled)
      return switch_both(in, std::move(*got), std::move(path), "portforward.k8s.io", tunnelled_protocol, std::move(ask), std::move(client),
                         [&in](net::websocket::connection_ptr socket, net::stream_ptr spdy) {
                           net::http::splice_and_forget(*in.shard, net::websocket::as_stream(*in.shard, std::move(socket)), std::move(spdy));
                         });
    if (wire == stream_wire::bridged) {
      const auto what = parse_stream_path(ask);
      return switch_both(in, std::move(*got), std::move(path), "v4.channel.k8s.io", socket_protocol, std::move(ask), std::move(client),
                         [&in, what](net::websocket::connection_ptr socket, net::stream_ptr spdy) {
                           if (what) bridge_streams(*in.shard, *what, std::move(socket), std::move(spdy));
                         });
    }
    net::http::carry_upgrade(*in.shard, std::move(*got), std::move(asked), "localhost", answer_limit, client,
                             [client](int status, std::string why) { refuse(*client, status, std::move(why)); });
  });
}

}  // namespace troupe::kubelet
