//! Clients that are cut off at any byte and come back to a server that dies, with what it keeps on a
//! disk that is slow, fails and loses what it had last: what each of them holds in the end is what
//! was said, in order, once. The engine is the real one, the disk a model (`store`), the clients are
//! written from `json.md` alone (`client`); `world` lets time pass.

mod client;
mod store;
mod world;

use client::FOREVER;
use store::Death;
use world::World;

/// Two talk; the first is cut off, and what it missed is more than the server has in memory.
fn talk(world: &mut World, cut: [usize; 2]) {
    world.clients[0].cut_after(cut);
    for number in 1..5 {
        world.clients[0].say(&format!("a{number}"));
        world.clients[1].say(&format!("b{number}"));
        world.pass(1);
    }
    world.clients[0].cut_now();
    for number in 5..13 {
        world.clients[1].say(&format!("b{number}"));
    }
    world.pass(2);
}

#[test]
fn a_link_cut_at_any_byte_loses_and_doubles_nothing() {
    for death in [None, Some(Death::Killed)] {
        for direction in 0..2 {
            for bytes in 0.. {
                let mut world = World::new(7, 2);
                world.settle();
                let mut cut = FOREVER;
                cut[direction] = bytes;
                talk(&mut world, cut);
                let is_cut = world.clients[0].cuts > 1;
                if let Some(death) = death {
                    world.die(death);
                }
                world.settle();
                let case = format!("{death:?}, cut after {bytes} of {direction}");
                world.check(&case);
                if death.is_none() {
                    assert_eq!(world.clients[0].unknown_gaps, 0, "{case}");
                }
                if !is_cut {
                    assert!(bytes > 100, "{case}");
                    break;
                }
            }
        }
    }
}

#[test]
fn a_link_cut_at_any_byte_on_the_way_back_loses_and_doubles_nothing() {
    for direction in 0..2 {
        for bytes in 0.. {
            let mut world = World::new(11, 2);
            world.settle();
            talk(&mut world, FOREVER);
            world.die(Death::Killed);
            let mut cut = FOREVER;
            cut[direction] = bytes;
            world.clients[0].cut_after(cut);
            let before = world.clients[0].cuts;
            world.settle();
            let case = format!("cut after {bytes} of {direction}");
            world.check(&case);
            if world.clients[0].cuts == before {
                assert!(bytes > 100, "{case}");
                break;
            }
        }
    }
}

#[test]
fn servers_that_die_and_disks_that_fail_lose_and_double_nothing() {
    let seeds = match std::env::var("TEST_COMING_BACK_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (0..100).map(|_| fastrand::u64(..)).collect(),
    };
    let mut told = [0; 3];
    for seed in seeds {
        let mut world = World::new(seed, 4);
        world.store.is_moody = true;
        let mut rng = fastrand::Rng::with_seed(seed);
        for number in 0..rng.usize(20..120) {
            let client = rng.usize(..world.clients.len());
            match rng.u32(..40) {
                0 => world.die(Death::Killed),
                1 => world.die(Death::PowerCut),
                2..=6 => world.clients[client].cut_now(),
                7..=12 => {
                    let cut = [rng.usize(..600), rng.usize(..3000)];
                    world.clients[client].cut_after(cut);
                }
                _ => world.clients[client].say(&format!("{client}/{number}")),
            }
            world.pass(rng.u32(..6));
        }
        world.store.is_moody = false;
        world
            .clients
            .iter_mut()
            .for_each(|client| client.cut_after(FOREVER));
        world.settle();
        let case = format!("TEST_COMING_BACK_SEED={seed}");
        world.check(&case);
        told[0] += world.clients.iter().map(|it| it.cuts).sum::<usize>();
        told[1] += world.clients.iter().map(|it| it.pages).sum::<usize>();
        told[2] += world
            .clients
            .iter()
            .map(|it| it.unknown_gaps)
            .sum::<usize>();
    }
    eprintln!("cuts, pages, gaps of which nobody knew how much: {told:?}");
}
