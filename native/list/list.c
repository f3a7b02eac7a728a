/*
 * What is in a folder and all folders below it, for the client's walk through a build's context: names and numbers of all
 * entries, read by a thread of its own while Node does something else. A file at a time, Node takes ten times as long as
 * the kernel. A library that Node loads (Node-API, whose functions are declared here, since Node's npm package brings no
 * headers).
 *
 *   begin(path: string): Reading
 *   wait(reading, ms: number): number              1: done; 0: not yet; less than 0: -errno, of the first that failed
 *   take(reading, into: Uint8Array): number        once it is done: how long all of it is; written as far as there is room
 *                                                  for: for all of it, or for the head
 *
 *   u32 state[2], u32 folders, u32 0                                          the head
 *   folders *                                      a folder before those in it, in the order of the names' bytes
 *     u32 length, u32 path                         how long what follows the path is, and the path
 *     path                                         from the one that is read on: "", "/a/b"; in whole words of 8 bytes
 *     u32 count, u32 0
 *     count * { f64 mode, size, mtime, ctime (ms), nlink, dev, ino, rdev }    in the order of the names' bytes
 *     names, each ended by 0
 *
 * The state is 64 bits of all that is said, but for what differs without a change.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_info__ *napi_info;
typedef napi_value (*napi_callback)(napi_env, napi_info);
int napi_create_external(napi_env, void *, void (*)(napi_env, void *, void *), void *, napi_value *);
int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_create_int64(napi_env, int64_t, napi_value *);
int napi_get_cb_info(napi_env, napi_info, size_t *, napi_value *, napi_value *, void **);
int napi_get_undefined(napi_env, napi_value *);
int napi_get_value_external(napi_env, napi_value, void **);
int napi_get_value_int64(napi_env, napi_value, int64_t *);
int napi_get_value_string_utf8(napi_env, napi_value, char *, size_t, size_t *);
int napi_get_typedarray_info(napi_env, napi_value, int *, size_t *, void **, napi_value *, size_t *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);

enum { MOST_PATH = 4096, FIELDS = 8 };

struct entry { char *name; double numbers[FIELDS]; };
struct listing { struct entry *entries; size_t count, room, names; };

/* A folder that was read, as it is given away. */
struct folder { struct folder *next; size_t length; uint8_t bytes[]; };
/* One that is still to be read: its path from the root on. */
struct open { struct open *next; char path[]; };

struct reading {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;
	/* Nobody waits any more. */
	_Atomic bool unwanted;
	int users, error;
	struct folder *folders, **last;
	uint64_t state;
	uint32_t count;
	size_t length;
	char root[];
};

static int by_name(const void *left, const void *right)
{
	return strcmp(((const struct entry *)left)->name, ((const struct entry *)right)->name);
}

static double milliseconds(struct timespec time)
{
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static bool add(struct listing *found, const char *name, const struct stat *at)
{
	if (found->count == found->room) {
		size_t room = found->room ? found->room * 2 : 256;
		struct entry *more = reallocarray(found->entries, room, sizeof *more);
		if (!more)
			return false;
		found->entries = more;
		found->room = room;
	}
	char *copy = strdup(name);
	if (!copy)
		return false;
	bool folder = S_ISDIR(at->st_mode);
	found->entries[found->count++] = (struct entry){ copy, {
		at->st_mode, folder ? 0 : at->st_size, milliseconds(at->st_mtim), milliseconds(at->st_ctim),
		folder ? 1 : at->st_nlink, at->st_dev, at->st_ino, at->st_rdev } };
	found->names += strlen(name) + 1;
	return true;
}

/* What vanishes between its name and its numbers was never there. */
static int gather(const char *path, struct listing *found)
{
	DIR *folder = opendir(path);
	if (!folder)
		return errno;
	int error = 0;
	for (;;) {
		errno = 0;
		struct dirent *each = readdir(folder);
		struct stat at;
		if (!each) {
			error = errno;
			break;
		}
		if (!strcmp(each->d_name, ".") || !strcmp(each->d_name, ".."))
			continue;
		if (fstatat(dirfd(folder), each->d_name, &at, AT_SYMLINK_NOFOLLOW)) {
			if (errno == ENOENT)
				continue;
			error = errno;
			break;
		}
		if (!add(found, each->d_name, &at)) {
			error = ENOMEM;
			break;
		}
	}
	closedir(folder);
	if (!error && found->count)
		qsort(found->entries, found->count, sizeof *found->entries, by_name);
	return error;
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
	for (size_t at = 0; at < size; at += 8) {
		uint64_t word = 0;
		memcpy(&word, (const char *)bytes + at, size - at < 8 ? size - at : 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	return hash;
}

static size_t words(size_t length)
{
	return (length + 7) & ~(size_t)7;
}

static struct folder *folder_of(const char *path, const struct listing *found)
{
	size_t path_length = strlen(path), head = words(8 + path_length);
	size_t length = head + words(8 + found->count * FIELDS * sizeof(double) + found->names);
	struct folder *made = calloc(1, sizeof *made + length);
	if (!made)
		return NULL;
	made->length = length;
	uint32_t lengths[2] = { (uint32_t)(length - head), (uint32_t)path_length }, counts[2] = { (uint32_t)found->count, 0 };
	memcpy(made->bytes, lengths, sizeof lengths);
	memcpy(made->bytes + 8, path, path_length);
	memcpy(made->bytes + head, counts, sizeof counts);
	uint8_t *numbers = made->bytes + head + 8;
	char *name = (char *)numbers + found->count * FIELDS * sizeof(double);
	for (size_t at = 0; at < found->count; at++) {
		const struct entry *each = &found->entries[at];
		memcpy(numbers + at * sizeof each->numbers, each->numbers, sizeof each->numbers);
		name = stpcpy(name, each->name) + 1;
	}
	return made;
}

static uint64_t state_of(uint64_t state, const struct listing *found)
{
	state = mix(state, &found->count, sizeof found->count);
	for (size_t at = 0; at < found->count; at++) {
		const struct entry *each = &found->entries[at];
		/* A device's number differs from boot to boot, and an inode's says nothing of a file with one name. */
		double said[6] = { each->numbers[0], each->numbers[1], each->numbers[3], each->numbers[4], each->numbers[4] > 1 ? each->numbers[6] : 0, each->numbers[7] };
		state = mix(mix(state, said, sizeof said), each->name, strlen(each->name) + 1);
	}
	return state;
}

/* The folders in it, the first one first. */
static bool open_inner(struct open **open, const char *path, const struct listing *found)
{
	for (size_t at = found->count; at-- > 0;) {
		const struct entry *each = &found->entries[at];
		if (!S_ISDIR((mode_t)each->numbers[0]))
			continue;
		struct open *inner = malloc(sizeof *inner + strlen(path) + strlen(each->name) + 2);
		if (!inner)
			return false;
		stpcpy(stpcpy(stpcpy(inner->path, path), "/"), each->name);
		inner->next = *open;
		*open = inner;
	}
	return true;
}

static int read_one(struct reading *reading, struct open **open)
{
	struct open *top = *open;
	*open = top->next;
	struct listing found = { 0 };
	char path[MOST_PATH + 1];
	int error = strlen(reading->root) + strlen(top->path) >= MOST_PATH ? ENAMETOOLONG : 0;
	if (!error) {
		stpcpy(stpcpy(path, reading->root), top->path);
		error = gather(path, &found);
	}
	struct folder *folder = error ? NULL : folder_of(top->path, &found);
	if (!error && (!folder || !open_inner(open, top->path, &found)))
		error = ENOMEM;
	if (!error) {
		reading->state = state_of(reading->state, &found);
		reading->count++;
		reading->length += folder->length;
		*reading->last = folder;
		reading->last = &folder->next;
	} else
		free(folder);
	for (size_t at = 0; at < found.count; at++)
		free(found.entries[at].name);
	free(found.entries);
	free(top);
	return error;
}

static void leave(struct reading *reading)
{
	pthread_mutex_lock(&reading->lock);
	bool last = --reading->users == 0;
	reading->unwanted = true;
	pthread_mutex_unlock(&reading->lock);
	if (!last)
		return;
	for (struct folder *next, *each = reading->folders; each; each = next) {
		next = each->next;
		free(each);
	}
	pthread_cond_destroy(&reading->changed);
	pthread_mutex_destroy(&reading->lock);
	free(reading);
}

static void *read_all(void *argument)
{
	struct reading *reading = argument;
	struct open *open = calloc(1, sizeof *open + 1);
	int error = open ? 0 : ENOMEM;
	while (!error && open)
		error = reading->unwanted ? ECANCELED : read_one(reading, &open);
	for (struct open *next; open; open = next) {
		next = open->next;
		free(open);
	}
	pthread_mutex_lock(&reading->lock);
	reading->done = true;
	reading->error = error;
	pthread_cond_signal(&reading->changed);
	pthread_mutex_unlock(&reading->lock);
	leave(reading);
	return NULL;
}

/* Signals are for Node's own thread. */
static bool start(struct reading *reading)
{
	pthread_t thread;
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = !pthread_create(&thread, NULL, read_all, reading);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (started)
		pthread_detach(thread);
	return started;
}

static void forget(napi_env env, void *reading, void *hint)
{
	leave(reading);
}

static napi_value nothing(napi_env env)
{
	napi_value undefined = NULL;
	napi_get_undefined(env, &undefined);
	return undefined;
}

static napi_value begin(napi_env env, napi_info info)
{
	napi_value path, answer = NULL;
	size_t count = 1, length = 0;
	struct reading *reading = calloc(1, sizeof *reading + MOST_PATH + 1);
	if (!reading)
		return nothing(env);
	/* A longer one is cut, and a NUL ends it: neither is the path that was meant. */
	if (napi_get_cb_info(env, info, &count, &path, NULL, NULL) || count != 1 ||
	    napi_get_value_string_utf8(env, path, reading->root, MOST_PATH + 1, &length) || length >= MOST_PATH || strlen(reading->root) != length) {
		free(reading);
		return nothing(env);
	}
	reading->users = 2;
	reading->last = &reading->folders;
	reading->state = 0x8f1bbcdcu;
	pthread_mutex_init(&reading->lock, NULL);
	pthread_cond_init(&reading->changed, NULL);
	if (!start(reading)) {
		reading->users = 1;
		leave(reading);
		return nothing(env);
	}
	if (napi_create_external(env, reading, forget, NULL, &answer)) {
		leave(reading);
		return nothing(env);
	}
	return answer;
}

static napi_value wait(napi_env env, napi_info info)
{
	napi_value arguments[2], answer = NULL;
	size_t count = 2;
	int64_t ms = 0, result = -EINVAL;
	void *data = NULL;
	if (!napi_get_cb_info(env, info, &count, arguments, NULL, NULL) && count == 2 && !napi_get_value_external(env, arguments[0], &data) && !napi_get_value_int64(env, arguments[1], &ms)) {
		struct reading *reading = data;
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += ms * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&reading->lock);
		while (!reading->done && !pthread_cond_timedwait(&reading->changed, &reading->lock, &until))
			;
		result = !reading->done ? 0 : reading->error ? -reading->error : 1;
		pthread_mutex_unlock(&reading->lock);
	}
	napi_create_int64(env, result, &answer);
	return answer;
}

enum { HEAD = 16 };

static napi_value take(napi_env env, napi_info info)
{
	napi_value arguments[2], answer = NULL;
	size_t count = 2, room = 0;
	int64_t result = -EINVAL;
	void *data = NULL, *into = NULL;
	if (!napi_get_cb_info(env, info, &count, arguments, NULL, NULL) && count == 2 && !napi_get_value_external(env, arguments[0], &data) &&
	    !napi_get_typedarray_info(env, arguments[1], NULL, &room, &into, NULL, NULL)) {
		struct reading *reading = data;
		uint32_t head[4] = { (uint32_t)reading->state, (uint32_t)(reading->state >> 32), reading->count, 0 };
		result = (int64_t)(HEAD + reading->length);
		if (room >= HEAD)
			memcpy(into, head, HEAD);
		uint8_t *to = (uint8_t *)into + HEAD;
		for (struct folder *each = room >= (size_t)result ? reading->folders : NULL; each; each = each->next) {
			memcpy(to, each->bytes, each->length);
			to += each->length;
		}
	}
	napi_create_int64(env, result, &answer);
	return answer;
}

static void offer(napi_env env, napi_value exports, const char *name, napi_callback called)
{
	napi_value function = NULL;
	napi_create_function(env, name, strlen(name), called, NULL, &function);
	napi_set_named_property(env, exports, name, function);
}

__attribute__((visibility("default"))) int32_t node_api_module_get_api_version_v1(void)
{
	return 8;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
	offer(env, exports, "begin", begin);
	offer(env, exports, "wait", wait);
	offer(env, exports, "take", take);
	return exports;
}
