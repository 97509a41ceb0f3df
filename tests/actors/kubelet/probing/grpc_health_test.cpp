#include "actors/kubelet/probing/grpc_health.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

using namespace troupe;
using namespace troupe::kubelet;

namespace {

/// The verdict of a real server on loopback.
std::string ask(int port, const std::string& service) {
  const int to = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
  REQUIRE(::connect(to, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  const auto question = health_question("127.0.0.1:" + std::to_string(port), service);
  REQUIRE(::send(to, question.data(), question.size(), 0) == static_cast<ssize_t>(question.size()));
  health_answer answer;
  std::string out = "nothing", reply;
  char buffer[7];   // in small pieces
  for (ssize_t n; (n = ::recv(to, buffer, sizeof buffer, 0)) > 0;) {
    const auto verdict = answer.feed({buffer, static_cast<std::size_t>(n)}, reply);
    if (!reply.empty()) ::send(to, reply.data(), reply.size(), 0);
    if (!verdict) continue;
    out = verdict->ok() ? "ok" : verdict->why().note;
    break;
  }
  ::close(to);
  return out;
}

}  // namespace

TEST_CASE("a real gRPC server answers whether it is healthy, and its services each for itself") {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  REQUIRE(server);
  std::thread poller([&] {
    void* tag = nullptr;
    for (bool ok = false; queue->Next(&tag, &ok);) {}
  });
  server->GetHealthCheckService()->SetServingStatus("good", true);
  server->GetHealthCheckService()->SetServingStatus("bad", false);
  CHECK(ask(port, "") == "ok");
  CHECK(ask(port, "good") == "ok");
  CHECK(ask(port, "bad") == "service unhealthy (responded with \"NOT_SERVING\")");
  CHECK(ask(port, std::string(300, 'x')) == "error: this server does not answer health checks of that service");
  server->Shutdown();
  queue->Shutdown();
  poller.join();
}

TEST_CASE("what is not gRPC is no health") {
  std::string reply;
  health_answer http;
  const auto verdict = http.feed("HTTP/1.1 400 Bad Request\r\n\r\n", reply);
  REQUIRE(verdict);
  CHECK(verdict->why().note == "the answer is not gRPC");
  health_answer nothing;
  CHECK(!nothing.feed("", reply));
  health_answer away;
  const auto gone = away.feed(std::string("\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0", 17), reply);
  REQUIRE(gone);
  CHECK(!gone->ok());
}
