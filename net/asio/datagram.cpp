#include <asio/ip/udp.hpp>

#include <array>

#include "net/asio/loop_core.hpp"
#include "net/asio/tcp_core.hpp"
#include "net/datagram.hpp"

namespace troupe::net::real {
namespace {

using ::asio::ip::udp;

constexpr int datagrams_per_turn = 64;   // others want the loop too

endpoint endpoint_of(const udp::endpoint& at) { return {at.address().to_string(), at.port()}; }

/// The socket itself; the holder's handle is thin, so that a wait under way may end after it.
class udp_core final : public loop_resident, public std::enable_shared_from_this<udp_core> {
 public:
  udp_core(std::shared_ptr<loop_core> on, udp::socket socket, datagrams::received to) : loop_(std::move(on)), socket_(std::move(socket)), to_(std::move(to)) { loop_->move_in(this); }
  ~udp_core() { loop_->move_out(this); }
  void evict() override { end(); }

  void begin() {
    if (!to_) return;
    socket_.async_wait(udp::socket::wait_read, [self = shared_from_this()](const ::asio::error_code& bad) {
      if (bad || !self->to_) return;
      self->read();
      self->begin();
      self->loop_->end_turn();
    });
  }
  void send(const endpoint& to, std::string_view data) {
    ::asio::error_code bad;
    const auto address = ::asio::ip::make_address(to.host, bad);
    if (bad || !to_) return;
    socket_.send_to(::asio::buffer(data.data(), data.size()), udp::endpoint(address, to.port), 0, bad);
  }
  endpoint address() const {
    ::asio::error_code bad;
    return endpoint_of(socket_.local_endpoint(bad));
  }
  void end() {
    to_ = nullptr;
    ::asio::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void read() {
    for (int i = 0; i < datagrams_per_turn && to_; ++i) {
      udp::endpoint from;
      ::asio::error_code bad;
      auto* buffer = loop_->read_buffer();
      const auto size = socket_.receive_from(::asio::buffer(buffer, read_bytes_max), from, 0, bad);
      if (bad == ::asio::error::connection_refused) continue;   // of something sent earlier
      if (bad) return;
      const auto call = to_;   // it may end us
      call(endpoint_of(from), std::string_view(buffer, size));
    }
  }

  std::shared_ptr<loop_core> loop_;
  udp::socket socket_;
  datagrams::received to_;
};

class udp_handle final : public datagram_socket {
 public:
  explicit udp_handle(std::shared_ptr<udp_core> core) : core_(std::move(core)) {}
  ~udp_handle() override { core_->end(); }
  void send(const endpoint& to, std::string_view data) override { core_->send(to, data); }
  endpoint address() const override { return core_->address(); }

 private:
  std::shared_ptr<udp_core> core_;
};

class udp_maker final : public datagrams {
 public:
  explicit udp_maker(std::shared_ptr<loop_core> on) : loop_(std::move(on)) {}
  result<std::unique_ptr<datagram_socket>> open(const endpoint& at, received on_data) override {
    ::asio::error_code bad;
    const auto address = ::asio::ip::make_address(at.host, bad);
    if (bad) return fail(errc::invalid, "\"" + at.host + "\" is no address");
    udp::socket socket(loop_->io);
    socket.open(address.is_v6() ? udp::v6() : udp::v4(), bad);
    if (bad) return fail(errc::unavailable, "making a socket: " + bad.message());
    socket.bind(udp::endpoint(address, at.port), bad);
    if (bad) {
      const auto code = bad == ::asio::error::address_in_use ? errc::already_exists : bad == ::asio::error::access_denied ? errc::forbidden : errc::invalid;
      return fail(code, "binding UDP " + to_string(at) + ": " + bad.message());
    }
    socket.non_blocking(true, bad);
    auto core = std::make_shared<udp_core>(loop_, std::move(socket), std::move(on_data));
    loop_->post([core] { core->begin(); });
    return std::unique_ptr<datagram_socket>(std::make_unique<udp_handle>(std::move(core)));
  }

 private:
  std::shared_ptr<loop_core> loop_;
};

}  // namespace

std::unique_ptr<datagrams> make_datagrams(const loop& on) { return std::make_unique<udp_maker>(on.core()); }

}  // namespace troupe::net::real
