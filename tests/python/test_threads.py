"""Several threads at one loader."""
import threading
import time

import numpy as np

import stoker
from photos import ids_of


def open_loader(photos, small, **more):
    arguments = dict(batch_size=4, seed=5, transforms=small, workers=2)
    arguments.update(more)
    return stoker.ImageLoader(photos, **arguments)


def test_threads_share_an_iterator_and_each_batch_goes_to_one(photos, small):
    with open_loader(photos, small, prefetch=6) as loader:
        for _ in range(5):
            batches, got, errors = iter(loader), [], []

            def take():
                try:
                    for batch in batches:
                        got.extend(np.asarray(batch.ids).tolist())
                except BaseException as error:  # noqa: BLE001
                    errors.append(error)

            threads = [threading.Thread(target=take) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert not errors and sorted(got) == list(range(60))


def test_a_batch_may_die_in_another_thread(photos, small):
    with open_loader(photos, small, prefetch=2) as loader:
        for batch in loader:
            box = [batch]
            del batch
            thread = threading.Thread(target=box.clear)
            thread.start()
            thread.join()


def test_close_ends_threads_that_wait(photos, small):
    for _ in range(20):
        loader, ended = open_loader(photos, small, prefetch=2), []

        def take():
            kept = []
            try:
                for batch in loader:
                    kept.append(batch.images)
            except (stoker.BusyError, ValueError) as error:
                ended.append(error)
            ended.append("end")

        threads = [threading.Thread(target=take) for _ in range(3)]
        for thread in threads:
            thread.start()
        loader.close()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        assert ended.count("end") == 3


def test_state_and_stats_may_be_asked_while_another_thread_takes(photos, small):
    with open_loader(photos, small) as loader:
        stop, errors = threading.Event(), []

        def ask():
            try:
                while not stop.is_set():
                    loader.state_dict()
                    loader.stats()
                    loader.digest()
                    loader.report()
                    loader.bad()
            except BaseException as error:  # noqa: BLE001
                errors.append(error)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            assert sorted(ids_of(loader)) == list(range(60))
        stop.set()
        for thread in threads:
            thread.join(10)
        assert not errors


def test_loaders_in_several_threads_do_not_meet(photos, small):
    orders = [None] * 4

    def run(i):
        with open_loader(photos, small) as loader:
            orders[i] = ids_of(loader)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert orders[0] is not None and all(order == orders[0] for order in orders)


def test_a_pipe_among_the_photos_is_refused_at_once(tmp_path, small):
    import os
    from photos import make_photos
    make_photos(tmp_path, 3, classes=1)
    fifo = tmp_path / "class0" / "zz.jpg"
    os.mkfifo(fifo)
    with stoker.ImageLoader(tmp_path, batch_size=4, transforms=small, on_error="mask",
                            max_bad=None) as loader:
        began = time.monotonic()
        batch = next(iter(loader))  # a pipe is no regular file: refused at once
        assert batch.n_bad == 1 and time.monotonic() - began < 20
