// SPDX-License-Identifier: Apache-2.0
//
// A Round is one call of ask_all(). Its lanes take path after path; the caller waits and gives up
// on those that are late, together with their lanes. The round is shared, because a lane that was
// given up still holds it when it comes back.
#include "exporters/node/disk/mount_probe.h"

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "base/mutex.h"

namespace tocsin::exporters {
namespace {

Status timeout_status() { return deadline_exceeded("mountpoint timeout"); }

}  // namespace

struct MountProbe::Round {
  struct Question {
    explicit Question(std::string p) : path(std::move(p)) {}

    std::string path;
    std::size_t lane = 0;
    base::SteadyTime since;
    std::shared_ptr<std::atomic<bool>> returned = std::make_shared<std::atomic<bool>>(false);
    std::optional<StatusOr<MountStats>> answer;
  };

  Round(const Ask& a, const base::Clock& c) : ask(a), clock(c) {}

  // Asks for path after path, on a lane's thread, until none is left or the lane was given up.
  void work(std::size_t lane) {
    for (;;) {
      std::size_t mine = 0;
      std::string path;
      {
        base::MutexLock lock(mutex);
        if (next == questions.size()) return;
        mine = next++;
        questions[mine].lane = lane;
        questions[mine].since = clock.steady_now();
        path = questions[mine].path;
      }
      StatusOr<MountStats> answer = ask(path);
      base::MutexLock lock(mutex);
      *questions[mine].returned = true;
      if (questions[mine].answer) return;
      set_answer(mine, std::move(answer));
    }
  }

  void set_answer(std::size_t index, StatusOr<MountStats> answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    questions[index].answer = std::move(answer);
    if (++answered == questions.size()) changed.notify_all();
  }

  const Ask ask;
  const base::Clock& clock;
  base::Mutex mutex;
  base::CondVar changed;
  std::vector<Question> questions ABSL_GUARDED_BY(mutex);
  std::size_t next ABSL_GUARDED_BY(mutex) = 0;  // the first that no lane has taken
  std::size_t answered ABSL_GUARDED_BY(mutex) = 0;
  bool timer_fired ABSL_GUARDED_BY(mutex) = false;
};

MountProbe::MountProbe(Options options, Ask ask, const base::Clock& clock, base::Timers& timers)
    : options_(options), ask_(std::move(ask)), clock_(clock), timers_(timers) {}

MountProbe::~MountProbe() {
  for (auto& [path, stuck] : stuck_) {
    // Joining a thread that waits for a dead server would wait with it.
    if (!*stuck.returned) static_cast<void>(stuck.thread.release());
  }
}

void MountProbe::forget_returned() {
  std::erase_if(stuck_, [](const auto& entry) {
    if (!*entry.second.returned) return false;
    base::log::info("mount answers again", {{"mountpoint", entry.first}});
    return true;
  });
}

// Starts threads for the paths that no lane has taken; without any thread they are refused.
void MountProbe::staff(const std::shared_ptr<Round>& round, Lanes* lanes) const {
  base::MutexLock lock(round->mutex);
  std::size_t waiting = round->questions.size() - round->next;
  lanes->resize(std::max(lanes->size(), std::min(options_.workers, waiting)));
  bool has_thread = false;
  for (std::size_t lane = 0; lane < lanes->size(); ++lane) {
    std::unique_ptr<base::ThreadPool>& thread = (*lanes)[lane];
    if (!thread && waiting > 0 && stuck_.size() < options_.max_stuck) {
      thread = std::make_unique<base::ThreadPool>(
          base::ThreadPool::Options{.name = "mount", .threads = 1});
      static_cast<void>(thread->post([round, lane] { round->work(lane); }));
      --waiting;
    }
    has_thread = has_thread || thread != nullptr;
  }
  if (has_thread) return;
  while (round->next < round->questions.size()) {
    round->set_answer(round->next++, resource_exhausted("too many stuck mountpoints"));
  }
}

// Waits until all have answered or the first of the paths being asked is late.
void MountProbe::wait(const std::shared_ptr<Round>& round) {
  base::SteadyTime deadline = clock_.steady_now() + options_.timeout;
  {
    base::MutexLock lock(round->mutex);
    round->timer_fired = false;
    for (std::size_t i = 0; i < round->next; ++i) {
      const Round::Question& question = round->questions[i];
      if (!question.answer) deadline = std::min(deadline, question.since + options_.timeout);
    }
  }
  const base::Timers::Id timer = timers_.schedule(deadline, [round] {
    base::MutexLock lock(round->mutex);
    round->timer_fired = true;
    round->changed.notify_all();
  });
  {
    base::MutexLock lock(round->mutex);
    while (!round->timer_fired && round->answered < round->questions.size()) {
      round->changed.wait(round->mutex);
    }
  }
  timers_.cancel(timer);
}

void MountProbe::give_up_on_late(const std::shared_ptr<Round>& round, Lanes* lanes) {
  const base::SteadyTime now = clock_.steady_now();
  base::MutexLock lock(round->mutex);
  for (std::size_t i = 0; i < round->next; ++i) {
    Round::Question& question = round->questions[i];
    if (question.answer || now - question.since < options_.timeout) continue;
    round->set_answer(i, timeout_status());
    stuck_.insert_or_assign(question.path,
                            Stuck{std::move((*lanes)[question.lane]), question.returned});
    base::log::warn("mount does not answer", {{"mountpoint", question.path}});
  }
}

std::vector<StatusOr<MountStats>> MountProbe::ask_all(const std::vector<std::string>& paths) {
  forget_returned();
  std::map<std::string, StatusOr<MountStats>> answers;
  const auto round = std::make_shared<Round>(ask_, clock_);
  Lanes lanes;
  {
    base::MutexLock lock(round->mutex);
    for (const std::string& path : paths) {
      if (!stuck_.contains(path)) round->questions.emplace_back(path);
    }
  }
  for (;;) {
    staff(round, &lanes);
    {
      base::MutexLock lock(round->mutex);
      if (round->answered == round->questions.size()) break;
    }
    wait(round);
    give_up_on_late(round, &lanes);
  }
  {
    base::MutexLock lock(round->mutex);
    for (Round::Question& question : round->questions) {
      answers.insert_or_assign(question.path, *std::move(question.answer));
    }
  }
  std::vector<StatusOr<MountStats>> out;
  for (const std::string& path : paths) {
    const auto it = answers.find(path);
    out.push_back(it == answers.end() ? timeout_status() : it->second);
  }
  return out;
}

}  // namespace tocsin::exporters
