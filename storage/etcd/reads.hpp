// Reads: ranges in pages at one revision, the head as of now, and what the private keys say. The loop's thread.
#pragma once
#include <memory>
#include <vector>

#include "storage/etcd/feed.hpp"
#include "storage/etcd/links.hpp"

namespace troupe::storage::etcd {

class reads {
 public:
  reads(core& with, feed& follows) : core_(with), feed_(follows) {}
  void range(range_query what, engine::range_done done);
  void read_head(engine::head_done done);
  /// How many keys the store has, counted by `at`; quietly does nothing when that fails.
  void count(endpoint& at);

 private:
  struct interval {
    std::string from, to;     ///< `to` empty: to the end.
  };
  struct job {
    std::vector<interval> parts;
    std::size_t part = 0;
    std::size_t want = 0;     ///< 0 = all; one more than asked for, to know whether there is more.
    std::size_t page_keys = 0;
    revision raw_at = 0;      ///< 0 until the first page said what the head is.
    mono_time until;
    page out;
    engine::range_done done;
  };
  using job_ptr = std::shared_ptr<job>;

  std::vector<interval> parts_of(const range_query& what) const;
  void next_page(const job_ptr& of);
  void ask(const job_ptr& of, endpoint& at);
  void answered(const job_ptr& of, endpoint& at, const grpc::Status& status, pb::RangeResponse& said);
  void failed(const job_ptr& of, endpoint& at, const grpc::Status& status);
  void finish(const job_ptr& of, result<page> what);
  void ask_head();
  void ask_head_at(endpoint& at, mono_time until);
  void doubt_leader(std::uint64_t question, endpoint& at, mono_time until);
  void head_known(result<revision> raw, mono_time until);

  core& core_;
  feed& feed_;
  std::vector<engine::head_done> waiting_, asked_;   ///< For the next shared read; for the one under way.
  std::uint64_t questions_ = 0, open_ = 0;           ///< Which question to an endpoint asked_ waits for; 0 for none.
  rpc::loop::timer doubt_{};
};

}  // namespace troupe::storage::etcd
