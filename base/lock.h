/* SPDX-License-Identifier: Apache-2.0 */
/* Mutexes with an owner that can be asserted and that clang's thread-safety analysis understands.
 *
 * Lock order of the whole sentry, outermost first. A thread that holds a lock may take only locks further down.
 *
 *   exec_lock (thread group)        one execve or core-affecting change of a thread group at a time
 *   tasks lock (kernel)             the task tree, groups, sessions, signal state of every task
 *   vfs tree lock (fs)              dentry tree, mounts
 *     inode lock (fs)               data and attributes of one inode
 *     fdtable lock, file lock (fs)
 *   mapping lock (mm)               vmas
 *     active lock (mm)              pmas, internal mappings, RSS
 *       memory file lock (mm)       allocator and reference sets
 *       address space lock (platform)
 *     sysv lock (kernel)            System V objects; under it, who maps a segment
 *   wait queue locks (base)         leaves: nothing is taken under them but a sleeper's wake
 *
 * Guest memory may be touched (copy in, copy out) only with nothing above the mapping lock held other than an
 * inode or file lock, because a copy may fault and a fault takes the two mm locks.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

#if defined(__clang__)
#define THREAD_ATTR(x) __attribute__((x))
#else
#define THREAD_ATTR(x)
#endif
#define CAPABILITY(x) THREAD_ATTR(capability(x))
#define GUARDED_BY(x) THREAD_ATTR(guarded_by(x))
#define REQUIRES(...) THREAD_ATTR(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) THREAD_ATTR(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) THREAD_ATTR(acquire_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) THREAD_ATTR(try_acquire_capability(__VA_ARGS__))
#define RELEASE(...) THREAD_ATTR(release_capability(__VA_ARGS__))
#define ASSERTS_HELD(...) THREAD_ATTR(assert_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS THREAD_ATTR(no_thread_safety_analysis)

struct CAPABILITY("mutex") mutex {
	pthread_mutex_t m;
#ifndef NDEBUG
	pthread_t owner;
	_Atomic bool held;
#endif
};

#define MUTEX_INITIALIZER { .m = PTHREAD_MUTEX_INITIALIZER }

static inline void mutex_init(struct mutex *l)
{
	*l = (struct mutex)MUTEX_INITIALIZER;
}

static inline void mutex_destroy(struct mutex *l)
{
	pthread_mutex_destroy(&l->m);
}

static inline bool mutex_is_held(const struct mutex *l)
{
#ifndef NDEBUG
	return l->held && pthread_equal(l->owner, pthread_self());
#else
	(void)l;
	return true;
#endif
}

static inline void mutex_lock(struct mutex *l) ACQUIRE(l) NO_THREAD_SAFETY_ANALYSIS
{
	pthread_mutex_lock(&l->m);
#ifndef NDEBUG
	l->owner = pthread_self();
	l->held = true;
#endif
}

/* True when the lock was taken. */
static inline bool mutex_trylock(struct mutex *l) TRY_ACQUIRE(true, l) NO_THREAD_SAFETY_ANALYSIS
{
	if (pthread_mutex_trylock(&l->m))
		return false;
#ifndef NDEBUG
	l->owner = pthread_self();
	l->held = true;
#endif
	return true;
}

static inline void mutex_unlock(struct mutex *l) RELEASE(l) NO_THREAD_SAFETY_ANALYSIS
{
#ifndef NDEBUG
	l->held = false;
#endif
	pthread_mutex_unlock(&l->m);
}

/* Precondition of every _locked function. Free in release builds. */
static inline void mutex_assert_held(const struct mutex *l) ASSERTS_HELD(l)
{
	assert(mutex_is_held(l));
	(void)l;
}

#endif
