// One TLS session between a carrier stream and the sink of its holder. OpenSSL reads straight from
// the chunk that the carrier delivers and writes straight into the carrier, so an idle session
// holds no bytes. The stream a holder owns is a thin handle on it.
#pragma once
#include <optional>

#include "net/tls/handles.hpp"
#include "net/tls/tls.hpp"

namespace troupe::net::tls {

class session final : public stream_sink, public std::enable_shared_from_this<session> {
 public:
  session(shard& on, stream_ptr carrier, ssl_ptr ssl, std::shared_ptr<const void> context, bool server,
          provider::secured done);
  /// Shakes hands; the timer of the handshake keeps the session until somebody holds its stream.
  void begin();

  void start(stream_sink* sink);
  void write(std::string_view data);
  void pause();
  void resume();
  void close();
  void let_go();
  std::size_t unsent() const { return carrier_ ? carrier_->unsent() : 0; }
  const peer_identity& peer() const noexcept { return peer_; }
  const stream* carrier() const noexcept { return carrier_.get(); }

  void on_data(std::string_view data) override;
  void on_drained() override;
  void on_closed(const error& why) override;

  /// For the BIO: moves at most `size` bytes of the chunk at hand.
  int take(char* into, int size);
  int give(std::string_view data);

 private:
  void pump();
  bool shake();
  bool read_some();
  void established();
  void handshake_failed(error why);
  error refusal() const;
  void finish(error why);
  void deliver_end();
  void set_flow();
  void pump_later();

  shard& on_;
  stream_ptr carrier_;
  ssl_ptr ssl_;
  std::shared_ptr<const void> context_;
  provider::secured done_;
  peer_identity peer_;
  stream_sink* sink_ = nullptr;
  std::string_view in_;              ///< Ciphertext at hand, not yet read by OpenSSL.
  std::string kept_;                 ///< What of it had to be kept when the sink could take no more.
  std::optional<error> carrier_end_, end_;
  timer_id timer_ = 0;
  bool server_, shaking_ = true, paused_ = false, closing_ = false, over_ = false, told_ = false;
  bool pumping_ = false, posted_ = false, goodbye_ = false;
};

}  // namespace troupe::net::tls
