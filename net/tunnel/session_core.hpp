// The working part of a tunnel's end: frames in, frames out, turns, pauses, liveness. Internal.
#pragma once
#include <deque>
#include <map>

#include "net/relay/relay.hpp"
#include "net/tunnel/frame.hpp"
#include "net/tunnel/line.hpp"
#include "net/tunnel/tunnel.hpp"

namespace troupe::net::tunnel {

class session_core final : public websocket::sink, public std::enable_shared_from_this<session_core> {
 public:
  session_core(shard& on, websocket::connection_ptr over, session_config config, rng chance);
  void begin();
  void forget();
  void close(std::string_view reason);
  void dial(const endpoint& at, dialer::dialed done);

  // From lines:
  void write(const line_ptr& l, std::string_view data);
  void wake(const line_ptr& l);        ///< Deliver what waits, soon.
  void finish(const line_ptr& l);      ///< close(): an Error "EOF" after what is queued.
  void drop(const line_ptr& l);        ///< The handle is gone.

  void on_message(bool binary, std::string_view data) override;
  void on_ping() override { heard(), hold_back(); }
  void on_pong() override { heard(); }
  void on_drained() override;
  void on_closed(const error& why) override { end(why); }

  std::size_t streams() const { return lines_.size(); }
  duration silence() const { return shard_.now() - heard_; }
  std::uint64_t bytes_in = 0, bytes_out = 0;
  shard& on() { return shard_; }

 private:
  void heard() { heard_ = shard_.now(); }
  void hold_back();
  void take(const frame& f);
  void refuse(std::int64_t number, std::string_view why);
  void tell_refusal(std::string_view why);
  void tick();
  void sync();
  void take_data(const frame& f);
  void take_connect(const frame& f);
  void flooded(const line_ptr& l);
  void take_error(const frame& f);
  void take_sync(const frame& f);
  void carry_out(std::int64_t number, result<stream_ptr> got);
  line_ptr open_line(std::int64_t number, endpoint far);
  void deliver(const line_ptr& l);
  void enqueue(const line_ptr& l);
  void pump();
  void send(std::int64_t connection, frame_type type, std::string_view payload);
  void send_error(std::int64_t connection, std::string_view text);
  void send_error_for(const line_ptr& l, std::string_view text);
  void end(const error& why);
  line_ptr find(std::int64_t number) const;

  shard& shard_;
  websocket::connection_ptr over_;
  session_config config_;
  std::map<std::int64_t, line_ptr> lines_;
  std::map<std::int64_t, std::unique_ptr<relay>> relays_;   ///< What the far side had us dial.
  std::deque<line_ptr> turns_;
  std::int64_t ids_, numbers_ = 1;
  std::size_t dials_ = 0;                                   ///< Under way for the far side, also those it has given up.
  std::uint64_t refusals_ = 0;                              ///< Not told yet.
  mono_time heard_{}, synced_{}, refusals_told_{};
  timer_id timer_ = 0;
  bool ended_ = false, held_back_ = false;
};

}  // namespace troupe::net::tunnel
