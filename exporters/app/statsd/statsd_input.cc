// SPDX-License-Identifier: Apache-2.0
#include "exporters/app/statsd/statsd_input.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/log.h"
#include "exporters/app/fields.h"

namespace tocsin::exporters::app {
namespace {

using base::YamlMapping;
using base::YamlNode;

constexpr std::size_t kBatch = 16;
constexpr std::size_t kPacketBytes = 64 << 10;  // no datagram is longer
// Batches from one socket before another has its turn.
constexpr int kBatchesInARow = 16;
constexpr std::size_t kMaxSockets = 8;
constexpr std::size_t kMaxSetMembers = 10'000'000;

Status read_addresses(const YamlNode& node, std::vector<std::string>* addresses) {
  if (node.is_scalar()) {
    addresses->emplace_back(node.scalar());
  } else {
    ASSIGN_OR_RETURN(*addresses, node.as_string_list());
  }
  if (addresses->size() > kMaxSockets) return node.error("too many addresses");
  for (const std::string& address : *addresses) {
    const Status status = DatagramSocket::check_udp(address);
    if (!status.ok()) return node.error(message(status));
  }
  return ok();
}

Status read_mode(const YamlNode& node, mode_t* mode) {
  // Octal however it is written, as chmod takes it.
  mode_t value = 0;
  const std::string_view text = node.scalar();
  for (const char c : text) {
    if (c < '0' || c > '7') return node.error("expected octal digits, as \"0755\"");
    value = value * 8 + static_cast<mode_t>(c - '0');
  }
  if (text.empty() || text.size() > 5 || value > 0777) {
    return node.error("expected octal digits, as \"0755\"");
  }
  *mode = value;
  return ok();
}

}  // namespace

StatusOr<StatsdOptions> read_statsd(const YamlNode& node, std::string_view directory,
                                    std::size_t max_series) {
  StatsdOptions options;
  options.store.max_series = max_series;
  base::Duration ttl{0};
  const YamlNode *defaults = nullptr, *mappings = nullptr;
  YamlMapping m(node);
  m.with("listen_udp",
         [&](const YamlNode& value) { return read_addresses(value, &options.listen_udp); });
  m.string("listen_unixgram", &options.listen_unixgram);
  m.with("unixgram_mode",
         [&](const YamlNode& value) { return read_mode(value, &options.unixgram_mode); });
  m.unsupported({"listen_tcp"});
  read_duration_or_never(m, "ttl", &ttl);
  read_count(m, "max_series", &options.store.max_series);
  read_count(m, "max_set_members", &options.store.max_set_members, kMaxSetMembers);
  m.with("defaults", [&](const YamlNode& value) {
    defaults = &value;
    return ok();
  });
  m.with("mappings", [&](const YamlNode& value) {
    mappings = &value;
    return ok();
  });
  RETURN_IF_ERROR(m.finish());
  if (options.listen_udp.empty() && options.listen_unixgram.empty()) {
    return node.error("needs listen_udp or listen_unixgram");
  }
  if (!options.listen_unixgram.empty()) {
    options.listen_unixgram = base::join_path(directory, options.listen_unixgram);
  }
  ASSIGN_OR_RETURN(options.store.mapper, StatsdMapper::read(defaults, mappings, ttl));
  return options;
}

// Memory for datagrams that are received at once; only pages that are used count.
class StatsdInput::Batch {
 public:
  Batch() : bytes_(std::make_unique_for_overwrite<char[]>(kBatch * kPacketBytes)) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts_[i] = {.iov_base = bytes_.get() + i * kPacketBytes, .iov_len = kPacketBytes};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  // How many came; 0 when none waits.
  std::size_t receive(int descriptor) {
    const int count = ::recvmmsg(descriptor, messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  std::string_view packet(std::size_t i) const {
    return {bytes_.get() + i * kPacketBytes, messages_[i].msg_len};
  }
  bool is_cut(std::size_t i) const {
    return (static_cast<unsigned>(messages_[i].msg_hdr.msg_flags) & MSG_TRUNC) != 0;
  }

 private:
  const std::unique_ptr<char[]> bytes_;
  std::array<iovec, kBatch> parts_{};
  std::array<mmsghdr, kBatch> messages_{};
};

StatsdInput::StatsdInput(StatsdOptions options, const InputServices& services)
    : Input("statsd"),
      options_(std::move(options)),
      clock_(services.clock),
      store_(options_.store) {}

StatsdInput::~StatsdInput() { StatsdInput::stop(); }

Status StatsdInput::start() {
  std::vector<std::unique_ptr<DatagramSocket>> sockets;
  for (const std::string& address : options_.listen_udp) {
    ASSIGN_OR_RETURN(sockets.emplace_back(), DatagramSocket::bind_udp(address));
  }
  if (!options_.listen_unixgram.empty()) {
    ASSIGN_OR_RETURN(sockets.emplace_back(),
                     DatagramSocket::bind_unix(options_.listen_unixgram, options_.unixgram_mode));
  }
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) return unavailable("eventfd");
  sockets_ = std::move(sockets);
  for (const std::string& address : addresses()) {
    base::log::info("listening for StatsD", {{"address", address}});
  }
  thread_ =
      std::make_unique<base::ThreadPool>(base::ThreadPool::Options{.name = "statsd", .threads = 1});
  static_cast<void>(thread_->post([this] { run(); }));
  return ok();
}

void StatsdInput::stop() {
  if (!thread_) return;
  const std::uint64_t one = 1;
  static_cast<void>(::write(wake_, &one, sizeof(one)) == sizeof(one));
  thread_->stop();
  thread_.reset();
  ::close(wake_);
  sockets_.clear();
}

std::vector<std::string> StatsdInput::addresses() const {
  std::vector<std::string> addresses;
  for (const auto& socket : sockets_) addresses.push_back(socket->address());
  return addresses;
}

void StatsdInput::run() {
  Batch batch;
  std::vector<pollfd> waiting;
  for (const auto& socket : sockets_) {
    waiting.push_back({.fd = socket->descriptor(), .events = POLLIN, .revents = 0});
  }
  waiting.push_back({.fd = wake_, .events = POLLIN, .revents = 0});
  for (;;) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return;
    if (waiting.back().revents != 0) return;
    for (const pollfd& socket : waiting) {
      if (socket.revents == 0) continue;
      for (int i = 0; i < kBatchesInARow && take(socket.fd, &batch); ++i) {
      }
    }
  }
}

bool StatsdInput::take(int descriptor, Batch* batch) {
  const std::size_t count = batch->receive(descriptor);
  if (count == 0) return false;
  const base::SteadyTime now = clock_.steady_now();
  base::MutexLock lock(mutex_);
  packets_ += static_cast<double>(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (batch->is_cut(i)) ++cut_packets_;
    store_.take(batch->packet(i), now);
  }
  return count == kBatch;
}

Status StatsdInput::collect(std::vector<base::MetricFamily>* out) {
  base::MutexLock lock(mutex_);
  store_.append_to(clock_.steady_now(), out);
  Families families(out);
  families.counter("statsd_exporter_packets_total", "Datagrams that came.", {}, packets_);
  families.counter("statsd_exporter_cut_packets_total", "Datagrams that were too long.", {},
                   cut_packets_);
  return ok();
}

std::uint64_t StatsdInput::dropped_series() const {
  base::MutexLock lock(mutex_);
  return store_.dropped();
}

StatusOr<std::unique_ptr<Input>> make_statsd(const YamlNode& section, const InputContext& context) {
  ASSIGN_OR_RETURN(StatsdOptions options,
                   read_statsd(section, context.directory, context.max_series));
  return std::make_unique<StatsdInput>(std::move(options), context.services);
}

}  // namespace tocsin::exporters::app
