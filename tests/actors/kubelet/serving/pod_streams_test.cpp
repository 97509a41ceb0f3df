#include "actors/kubelet/serving/pod_streams.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::kubelet;

namespace {

net::http::request asking(std::string path, std::string query = {}) {
  net::http::request out;
  out.method = "POST";
  out.path = std::move(path);
  out.query = std::move(query);
  return out;
}
stream_wire wire_of(std::string_view protocols, std::string& offered) {
  auto ask = asking("/exec/a/b/c");
  ask.headers.add("upgrade", "websocket");
  if (!protocols.empty()) ask.headers.add("sec-websocket-protocol", protocols);
  return judge_wire(ask, offered);
}

}  // namespace

TEST_CASE("a stream's path says pod, container and what of it is wanted") {
  const auto exec = parse_stream_path(asking("/exec/ns/pod/box", "command=sh&command=-c&command=echo%20%26&input=1&output=1&tty=1"));
  REQUIRE(exec.has_value());
  CHECK(exec->what == pod_stream::exec);
  CHECK(exec->ns == "ns");
  CHECK(exec->pod == "pod");
  CHECK(exec->container == "box");
  CHECK(exec->command == std::vector<std::string>{"sh", "-c", "echo &"});
  CHECK((exec->in && exec->out && !exec->err && exec->terminal));
  CHECK(parse_stream_path(asking("/attach/ns/pod/box", "error=1"))->what == pod_stream::attach);
  CHECK(parse_stream_path(asking("/portForward/ns/pod"))->what == pod_stream::port_forward);
  for (const char* other : {"/exec/ns/pod", "/portForward/ns", "/exec", "/", "", "/pods", "/exec/a/b/c/d"})
    CHECK_FALSE(parse_stream_path(asking(other)).has_value());
}

TEST_CASE("each client's protocol is carried on, bridged, unwrapped, or refused so that the client asks again by SPDY") {
  std::string offered;
  auto spdy = asking("/exec/a/b/c");
  spdy.headers.add("upgrade", "SPDY/3.1");
  CHECK(judge_wire(spdy, offered) == stream_wire::as_it_is);
  CHECK(wire_of("", offered) == stream_wire::as_it_is);
  CHECK(offered.empty());
  CHECK(wire_of("v5.channel.k8s.io", offered) == stream_wire::bridged);
  CHECK(wire_of("v5.channel.k8s.io, v4.channel.k8s.io", offered) == stream_wire::bridged);
  CHECK(wire_of("v9.channel.k8s.io", offered) == stream_wire::refused);
  CHECK(wire_of("SPDY/3.1+portforward.k8s.io", offered) == stream_wire::tunnelled);
  CHECK(wire_of("v6.channel.k8s.io, v4.channel.k8s.io,base64.channel.k8s.io", offered) == stream_wire::as_it_is);
  CHECK(offered == "v4.channel.k8s.io, base64.channel.k8s.io");
}
