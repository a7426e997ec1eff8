/* The linker wrapper of the seed toolchain: gcc runs it in place of `ld`.

   It runs the real linker with the arguments as they are and adds to them:
     -rpath DIR   for each directory of the store from which a shared library is linked, and for lib/ of each output
                  of the build at hand ($HPCL_OUTPUTS, separated by ':');
     -dynamic-linker FILE   the store's, when the caller asked for the one of an ordinary system;
     --build-id=none        a build-id is a hash over paths, and paths differ between users.
   Nothing is added to relocatable and static links but the last. The path of a library is that of the file behind its
   links, so that a link farm (a profile) leaves no trace in what is linked through it.

   Compiled with -DREAL_LD, -DDYNAMIC_LINKER, -DSTORE (with its slash), -DLIBC_LIBRARIES, -DLIBC_HEADERS, -DGCC and
   -DGCC_LIBRARIES, all strings. */

#define _GNU_SOURCE
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Not constants: each must stay in one piece in the file, where a store is found and relocated. */
char real_ld[] = REAL_LD;
char dynamic_linker[] = DYNAMIC_LINKER;
char store[] = STORE;
char libc_libraries[] = LIBC_LIBRARIES;
char libc_headers[] = LIBC_HEADERS;
char gcc[] = GCC;
char gcc_libraries[] = GCC_LIBRARIES;

struct list
{
  char **items;
  size_t count, room;
};

static void *
checked (void *memory)
{
  if (memory == NULL)
    {
      fputs ("ld-wrapper: out of memory\n", stderr);
      exit (1);
    }
  return memory;
}

static void
add (struct list *list, char *item)
{
  if (list->count + 1 >= list->room)
    {
      list->room = list->room * 2 + 64;
      list->items = checked (realloc (list->items, list->room * sizeof *list->items));
    }
  list->items[list->count++] = item;
  list->items[list->count] = NULL;
}

static bool
starts (const char *text, const char *prefix)
{
  return strncmp (text, prefix, strlen (prefix)) == 0;
}

static char *
joined (const char *a, const char *b, const char *c)
{
  char *result;
  if (asprintf (&result, "%s%s%s", a, b, c) < 0)
    result = NULL;
  return checked (result);
}

/* Adds the words of a response file: separated by white space, with quotes and backslashes. */
static void
add_response_file (struct list *words, const char *name)
{
  FILE *file = fopen (name, "r");
  if (file == NULL)
    return;
  char *word = NULL;
  size_t size;
  FILE *out = NULL;
  int c, quote = 0;
  while ((c = getc (file)) != EOF)
    {
      bool space = quote == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r');
      if (space && out == NULL)
        continue;
      if (space)
        {
          fclose (out);
          add (words, word);
          out = NULL;
          continue;
        }
      if (out == NULL)
        out = checked (open_memstream (&word, &size));
      if (c == '\\')
        {
          c = getc (file);
          if (c != EOF)
            putc (c, out);
        }
      else if (quote != 0 && c == quote)
        quote = 0;
      else if (quote == 0 && (c == '\'' || c == '"'))
        quote = c;
      else
        putc (c, out);
    }
  if (out != NULL)
    {
      fclose (out);
      add (words, word);
    }
  fclose (file);
}

static void
add_once (struct list *list, char *item)
{
  for (size_t i = 0; i < list->count; i++)
    if (strcmp (list->items[i], item) == 0)
      return;
  add (list, item);
}

/* Adds the directory from which FILE will be loaded, if that is in the store. */
static void
add_directory_of (struct list *directories, const char *file)
{
  char real[PATH_MAX];
  if (realpath (file, real) == NULL || !starts (real, store))
    return;
  if (starts (real, libc_headers))
    add_once (directories, libc_libraries);
  else if (starts (real, gcc))
    add_once (directories, gcc_libraries);
  else
    {
      *strrchr (real, '/') = '\0';
      add_once (directories, checked (strdup (real)));
    }
}

/* Looks for -lNAME as the linker does; a static archive found first needs no directory. */
static void
add_library (struct list *directories, const struct list *search, const char *name, bool shared)
{
  for (size_t i = 0; i < search->count; i++)
    {
      const char *directory = search->items[i];
      char *file = name[0] == ':' ? joined (directory, "/", name + 1)
                                  : joined (joined (directory, "/lib", name), ".so", "");
      if (shared && access (file, F_OK) == 0)
        {
          if (name[0] != ':' || strstr (name, ".so") != NULL)
            add_directory_of (directories, file);
          return;
        }
      if (name[0] != ':' && access (joined (joined (directory, "/lib", name), ".a", ""), F_OK) == 0)
        return;
    }
}

/* Options whose value is the next word. */
static bool
takes_value (const char *word)
{
  static const char *const options[]
    = { "-o", "-e", "-h", "-m", "-u", "-y", "-z", "-T", "-R", "-Y", "-a", "-A", "-b", "-c", "-f", "-F", "-G",
        "-I", "-soname", "--soname", "-rpath", "--rpath", "-rpath-link", "--rpath-link", "-plugin", "--plugin",
        "-plugin-opt", "--plugin-opt", "-Map", "--defsym", "--version-script", "-init", "-fini", "--wrap",
        "--exclude-libs", "--sysroot", "--entry", "--script", "--output" };
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (strcmp (word, options[i]) == 0)
      return true;
  return false;
}

static bool
is_shared_object (const char *word)
{
  const char *name = strrchr (word, '/');
  name = name != NULL ? name + 1 : word;
  const char *ending = strstr (name, ".so");
  return ending != NULL && (ending[3] == '\0' || ending[3] == '.');
}

int
main (int argc, char **argv)
{
  struct list words = { 0 }, search = { 0 }, directories = { 0 }, command = { 0 };
  for (int i = 1; i < argc; i++)
    if (argv[i][0] == '@')
      add_response_file (&words, argv[i] + 1);
    else
      add (&words, argv[i]);

  bool dynamic = true, relocatable = false, system_linker = false;
  for (size_t i = 0; i < words.count; i++)
    {
      char *word = words.items[i];
      char *next = i + 1 < words.count ? words.items[i + 1] : NULL;
      if (strcmp (word, "-L") == 0 && next != NULL)
        add (&search, words.items[++i]);
      else if (starts (word, "-L"))
        add (&search, word + 2);
      else if (starts (word, "--library-path="))
        add (&search, word + strlen ("--library-path="));
      else if (strcmp (word, "-static") == 0)
        dynamic = false;
      else if (strcmp (word, "-r") == 0 || strcmp (word, "-i") == 0 || strcmp (word, "--relocatable") == 0)
        relocatable = true;
      else if ((strcmp (word, "-dynamic-linker") == 0 || strcmp (word, "--dynamic-linker") == 0
                || strcmp (word, "-I") == 0) && next != NULL)
        {
          system_linker = starts (next, "/lib");
          i++;
        }
      else if (starts (word, "-dynamic-linker=") || starts (word, "--dynamic-linker="))
        system_linker = starts (strchr (word, '=') + 1, "/lib");
      else if (takes_value (word))
        i++;
    }

  const char *outputs = getenv ("HPCL_OUTPUTS");
  char *rest = checked (strdup (outputs != NULL ? outputs : ""));
  for (char *output = strtok (rest, ":"); output != NULL; output = strtok (NULL, ":"))
    add_once (&directories, joined (output, "/lib", ""));

  bool shared = true;
  for (size_t i = 0; i < words.count && dynamic && !relocatable; i++)
    {
      char *word = words.items[i];
      if (strcmp (word, "-Bstatic") == 0 || strcmp (word, "-dn") == 0 || strcmp (word, "-non_shared") == 0)
        shared = false;
      else if (strcmp (word, "-Bdynamic") == 0 || strcmp (word, "-dy") == 0 || strcmp (word, "-call_shared") == 0)
        shared = true;
      else if (strcmp (word, "-l") == 0 && i + 1 < words.count)
        add_library (&directories, &search, words.items[++i], shared);
      else if (starts (word, "-l"))
        add_library (&directories, &search, word + 2, shared);
      else if (starts (word, "--library="))
        add_library (&directories, &search, word + strlen ("--library="), shared);
      else if (strcmp (word, "-L") == 0 || strcmp (word, "-dynamic-linker") == 0
               || strcmp (word, "--dynamic-linker") == 0 || takes_value (word))
        i++;
      else if (word[0] != '-' && is_shared_object (word))
        add_directory_of (&directories, word);
    }

  add (&command, real_ld);
  for (int i = 1; i < argc; i++)
    add (&command, argv[i]);
  add (&command, "--build-id=none");
  if (dynamic && !relocatable)
    {
      if (system_linker)
        {
          add (&command, "-dynamic-linker");
          add (&command, dynamic_linker);
        }
      add (&command, "--enable-new-dtags");
      for (size_t i = 0; i < directories.count; i++)
        {
          add (&command, "-rpath");
          add (&command, directories.items[i]);
        }
    }
  execv (real_ld, command.items);
  perror (real_ld);
  return 127;
}
